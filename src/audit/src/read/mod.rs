//! Reads logs: lines of any origin, so that nothing in them is trusted.

mod lines;
mod query;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

pub use lines::{Lines, files, open};
pub use query::{Person, Query, Reference, Seen, Status};

#[derive(Deserialize)]
struct OnlyId<'l> {
    #[serde(rename = "auditID", borrow)]
    audit_id: Cow<'l, str>,
    #[serde(borrow, default)]
    stage: Cow<'l, str>,
}

/// The id of an event.
pub(crate) fn audit_id(line: &[u8]) -> Option<Cow<'_, str>> {
    serde_json::from_slice::<OnlyId<'_>>(line).ok().map(|event| event.audit_id)
}

/// The ids of the requests whose end is among the last `tail` bytes of a log.
pub(crate) fn ids_near_end(path: &Path, tail: u64) -> io::Result<HashSet<String>> {
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        file => file?,
    };
    let start = file.metadata()?.len().saturating_sub(tail);
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file);
    let (mut line, mut ids) = (Vec::new(), HashSet::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Ok(event) = serde_json::from_slice::<OnlyId<'_>>(&line)
            && matches!(&*event.stage, "ResponseComplete" | "Panic")
        {
            ids.insert(event.audit_id.into_owned());
        }
        line.clear();
    }
    Ok(ids)
}
