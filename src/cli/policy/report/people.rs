//! Who came, and how they proved who they are: from an audit log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use portcullis_api::Value;

use super::breakable;
use crate::cli::Failure;

const METHOD: &str = "portcullis.io/authenticated-by";
/// More people than this are counted.
const NAMED: usize = 200;

/// People with their requests, by the way they came. Nodes, service accounts and the program's own parts are none.
#[derive(Default)]
pub(super) struct People(BTreeMap<String, BTreeMap<String, u64>>);

pub(super) fn read(log: &Path) -> Result<People, Failure> {
    let what = || format!("the audit log {} cannot be read", log.display());
    let file = File::open(log).map_err(|error| Failure::caused(what(), &error))?;
    let mut people = People::default();
    for line in BufReader::new(file).lines() {
        people.add(&line.map_err(|error| Failure::caused(what(), &error))?);
    }
    Ok(people)
}

impl People {
    /// Counts an event of the log.
    pub(super) fn add(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return };
        let method = event.get("annotations").and_then(|all| all.get(METHOD)).and_then(Value::as_str);
        let user = event.pointer("/user/username").and_then(Value::as_str);
        let (Some(method), Some(user)) = (method, user) else { return };
        let done = event.get("stage").and_then(Value::as_str) == Some("ResponseComplete");
        if done && !user.starts_with("system:") {
            let count = self.0.entry(method.to_owned()).or_default().entry(user.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push_str(
            "<h2 id=people>Who came, and how</h2><p class=dim>People of the audit log with the number of their requests.</p>\
             <table><thead><tr><th class=first>proved by<th>who</thead>",
        );
        for (method, people) in &self.0 {
            let shown =
                people.iter().take(NAMED).map(|(user, count)| format!("{} ({count})", breakable(user)));
            let shown: Vec<String> = shown.collect();
            let _ = write!(out, "<tr><th>{}<td>{}", breakable(method), shown.join(", "));
            if let more @ 1.. = people.len().saturating_sub(NAMED) {
                let _ = write!(out, " <span class=dim>and {more} more</span>");
            }
            out.push_str("</tr>");
        }
        out.push_str(if self.0.is_empty() { "<tr><td colspan=2>nobody</table>" } else { "</table>" });
    }
}
