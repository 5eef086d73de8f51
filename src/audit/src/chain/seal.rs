//! Seals batches of lines, and takes the chain up where the last run left it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_api::time;
use tracing::{error, warn};

use super::{Digest, Head, RecordText, Signer, digest, seal_of};
use crate::log::{backups, chain_of, open_private};

/// More lines are sealed by more than one record, so that a record stays readable in memory.
const MAX_LINES: usize = 4096;

/// Events since the last record that are not where they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unkept {
    /// Not in this log.
    pub(crate) lost: u64,
    /// Not sent to the webhook.
    pub(crate) unsent: u64,
}

/// Writes the chain.
pub(crate) struct Sealer {
    signer: Signer,
    head: Head,
    head_file: File,
    log: PathBuf,
    file: File,
    /// The newest segment that retention removed, until a record says so.
    pruned: u64,
    found: u64,
    missing: u64,
}

impl Sealer {
    /// Opens the chain beside a log. Lines that a crash left unsealed are sealed now, and marked.
    pub(crate) fn open(log: &Path, signer: Signer) -> io::Result<Self> {
        let head_path = signer.head_path();
        let head_file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&head_path)?;
        let promised = Head::parse(&std::fs::read_to_string(&head_path)?);
        let written = newest_record(log, &signer)?;
        let file = open_private(&chain_of(log))?;
        let mut sealer = Self {
            signer,
            head: Head::default(),
            head_file,
            log: log.to_owned(),
            file,
            pruned: 0,
            found: 0,
            missing: 0,
        };
        sealer.take_up(promised.unwrap_or_default(), written);
        sealer.seal_leftovers()?;
        Ok(sealer)
    }

    /// Goes on after the newest record, or after the head where the log has lost what that promised.
    fn take_up(&mut self, promised: Head, written: Head) {
        if written.segment < promised.segment {
            error!(
                promised = promised.segment,
                found = written.segment,
                "The audit log is shorter than its head says: segments are missing"
            );
            self.missing = promised.segment;
            self.head = promised;
            return;
        }
        if written.segment > promised.segment && promised != Head::default() {
            warn!(segment = written.segment, "The head of the audit chain was behind its log");
        }
        self.head = written;
    }

    /// The lines of the log's file that no record in its companion speaks of.
    fn seal_leftovers(&mut self) -> io::Result<()> {
        let sealed = lines_sealed(&chain_of(&self.log), &self.signer)?;
        let mut reader = BufReader::new(File::open(&self.log)?);
        let (mut number, mut left, mut line) = (0u64, Vec::new(), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            number = number.saturating_add(1);
            if number > sealed {
                left.push(digest(line.strip_suffix(b"\n").unwrap_or(&line)));
            }
            line.clear();
        }
        if left.is_empty() && self.missing == 0 {
            return Ok(());
        }
        self.found = u64::try_from(left.len()).unwrap_or(u64::MAX);
        self.seal(&left, Unkept::default())
    }

    /// Seals lines that are in the log already.
    pub(crate) fn seal(&mut self, lines: &[Digest], unkept: Unkept) -> io::Result<()> {
        let mut unkept = unkept;
        let mut batches = lines.chunks(MAX_LINES);
        let first = batches.next().unwrap_or_default();
        for batch in std::iter::once(first).chain(batches) {
            self.seal_batch(batch, std::mem::take(&mut unkept))?;
        }
        Ok(())
    }

    fn seal_batch(&mut self, lines: &[Digest], unkept: Unkept) -> io::Result<()> {
        let (root, digests) = seal_of(lines);
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let record = RecordText {
            segment: self.head.segment.saturating_add(1),
            first: self.head.line.saturating_add(1),
            lines: count,
            at: time::micros(Timestamp::now()),
            lost: unkept.lost,
            unsent: unkept.unsent,
            pruned: self.pruned,
            found: self.found,
            missing: self.missing,
            prev: self.head.digest.clone(),
            root,
            digests,
        };
        let text = record.signed(&self.signer);
        let length = self.file.metadata()?.len();
        if let Err(cause) = self.file.write_all(format!("{text}\n").as_bytes()) {
            self.file.set_len(length)?;
            return Err(cause);
        }
        self.head = Head {
            segment: record.segment,
            line: self.head.line.saturating_add(count),
            digest: hex::encode(digest(text.as_bytes())),
        };
        (self.found, self.missing) = (0, 0);
        if let Err(cause) = self.head_file.write_all_at(format!("{}\n", self.head).as_bytes(), 0) {
            // The record stands; a head that is behind is caught up by the next one.
            error!(cause = %cause, "Cannot write the head of the audit chain");
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.head_file.sync_data()
    }

    /// Goes on in a new companion file, after the log was put aside. That backups are about to be removed
    /// is on record before they are.
    pub(crate) fn rotated(&mut self, outdated: &[PathBuf]) -> io::Result<()> {
        self.file = open_private(&chain_of(&self.log))?;
        for backup in outdated {
            let newest = last_record(&chain_of(backup), &self.signer)?;
            self.pruned = self.pruned.max(newest.map_or(0, |head| head.segment));
        }
        if outdated.is_empty() { Ok(()) } else { self.seal(&[], Unkept::default()) }
    }
}

/// The newest record of the log and its backups.
fn newest_record(log: &Path, signer: &Signer) -> io::Result<Head> {
    if let Some(head) = last_record(&chain_of(log), signer)? {
        return Ok(head);
    }
    for (_, backup) in backups(log)?.into_iter().rev() {
        if let Some(head) = last_record(&chain_of(&backup), signer)? {
            return Ok(head);
        }
    }
    Ok(Head::default())
}

/// The last record of a companion file that is whole and ours. A torn one after it is cut off.
fn last_record(path: &Path, signer: &Signer) -> io::Result<Option<Head>> {
    let mut last = None;
    for_each_record(path, signer, |line, record| {
        last = Some(Head {
            segment: record.segment,
            line: record.first.saturating_add(record.lines).saturating_sub(1),
            digest: hex::encode(digest(line)),
        });
    })?;
    Ok(last)
}

fn lines_sealed(path: &Path, signer: &Signer) -> io::Result<u64> {
    let mut lines = 0u64;
    for_each_record(path, signer, |_, record| lines = lines.saturating_add(record.lines))?;
    Ok(lines)
}

fn for_each_record(path: &Path, signer: &Signer, mut each: impl FnMut(&[u8], RecordText)) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let key = signer.public();
    let mut reader = BufReader::new(&file);
    let (mut line, mut end) = (Vec::new(), 0u64);
    while reader.read_until(b'\n', &mut line)? > 0 {
        let Some(whole) = line.strip_suffix(b"\n") else {
            file.set_len(end)?;
            break;
        };
        match std::str::from_utf8(whole)
            .map_err(|_| "is no text")
            .and_then(|text| RecordText::verified(text, &key))
        {
            Ok(record) => each(whole, record),
            Err(why) => error!(file = %path.display(), why, "A record of the audit chain cannot be trusted"),
        }
        end = reader.stream_position()?;
        line.clear();
    }
    (&file).seek(SeekFrom::End(0)).map(drop)
}
