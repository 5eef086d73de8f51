//! Checks a log against its chain, and the chain against its head.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::{Digest, Head, LineDigest, PublicKey, RecordText, digest, seal_of};
use crate::log::chain_of;
use crate::read::{Lines, files, open};

/// What a verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many lines were compared and are as they were sealed.
    pub lines: u64,
    /// How many records have their place in the chain.
    pub segments: u64,
    /// The first segment that is there; more than 1 where retention removed older ones.
    pub first_segment: u64,
    /// How many events the chain says were lost.
    pub lost: u64,
    /// How many events the chain says the webhook was not sent.
    pub unsent: u64,
    /// How many lines a restart found unsealed and sealed then.
    pub found: u64,
    /// Lines at the end that the running server has not sealed yet.
    pub unsealed: u64,
    /// The newest record.
    pub head: Head,
    /// What is wrong, in the order in which it was met; empty is good.
    pub findings: Vec<Finding>,
}

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where there is one.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// Verifies a log with its backups. `heads` are heads that were kept elsewhere; read them before.
pub fn verify(log: &Path, key: &PublicKey, heads: &[Head]) -> io::Result<Report> {
    let mut verifier = Verifier::new(key, heads);
    let files = files(log)?;
    for file in &files {
        let chain = chain_of(file);
        let records: Box<dyn BufRead> = if chain.exists() { open(&chain)? } else { Box::new(io::empty()) };
        verifier.file((file, open(file)?), (&chain, records), Some(file) == files.last())?;
    }
    if files.is_empty() && heads.iter().all(|head| *head == Head::default()) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no log"));
    }
    Ok(verifier.finish(log))
}

/// Reads file after file.
pub struct Verifier<'k> {
    key: &'k PublicKey,
    heads: &'k [Head],
    report: Report,
    pruned: u64,
    /// Digests of the records that a head names.
    named: Vec<(u64, String)>,
}

impl<'k> Verifier<'k> {
    /// Nothing read yet.
    pub fn new(key: &'k PublicKey, heads: &'k [Head]) -> Self {
        Self { key, heads, report: Report::default(), pruned: 0, named: Vec::new() }
    }

    /// Reads one file with its records.
    pub fn file<L: BufRead, C: BufRead>(
        &mut self,
        (log, lines): (&Path, L),
        (chain, records): (&Path, C),
        newest: bool,
    ) -> io::Result<()> {
        self.report.files += 1;
        let mut lines = Compared { lines: Lines::new(lines), at: 0, broken: false };
        let mut records = Lines::new(records);
        let mut number = 0;
        while let Some((text, whole)) = records.next_line()? {
            number += 1;
            if !whole && newest {
                break;
            }
            let text = String::from_utf8_lossy(text).into_owned();
            match RecordText::verified(&text, self.key) {
                Err(why) => {
                    self.found(chain, Some(number), format!("the record {why}"));
                    lines.broken = true;
                }
                Ok(record) => {
                    self.link(chain, number, &record, &text);
                    if !lines.broken
                        && let Some(finding) = self.compare(log, &record, &mut lines)?
                    {
                        self.report.findings.push(finding);
                        lines.broken = true;
                    }
                }
            }
        }
        self.rest(log, lines, newest)
    }

    /// The record's place in the chain.
    fn link(&mut self, chain: &Path, number: u64, record: &RecordText, text: &str) {
        let report = &mut self.report;
        let before = &report.head;
        if report.segments == 0 {
            report.first_segment = record.segment;
        } else if record.segment != before.segment + 1 {
            let words = if record.segment <= before.segment {
                format!("segment {} stands after segment {}", record.segment, before.segment)
            } else {
                missing(before.segment + 1, record.segment - 1)
            };
            report.findings.push(Finding { file: chain.to_owned(), line: Some(number), what: words });
        } else if record.prev != before.digest {
            let words = format!("segment {} does not follow the one before it", record.segment);
            report.findings.push(Finding { file: chain.to_owned(), line: Some(number), what: words });
        } else if record.first != before.line + 1 {
            let words = format!("segment {} begins at the wrong line", record.segment);
            report.findings.push(Finding { file: chain.to_owned(), line: Some(number), what: words });
        }
        if record.missing > 0 {
            let words = format!(
                "the server found the log cut when it started at {}: segments up to {} had been there",
                record.at, record.missing
            );
            report.findings.push(Finding { file: chain.to_owned(), line: Some(number), what: words });
        }
        report.segments += 1;
        report.lost = report.lost.saturating_add(record.lost);
        report.unsent = report.unsent.saturating_add(record.unsent);
        report.found = report.found.saturating_add(record.found);
        self.pruned = self.pruned.max(record.pruned);
        report.head = Head {
            segment: record.segment,
            line: record.first.saturating_add(record.lines).saturating_sub(1),
            digest: hex::encode(digest(text.as_bytes())),
        };
        if self.heads.iter().any(|head| head.segment == record.segment) {
            self.named.push((record.segment, report.head.digest.clone()));
        }
    }

    /// The lines that a record seals; the first that is not as it was.
    fn compare<L: BufRead>(
        &mut self,
        log: &Path,
        record: &RecordText,
        lines: &mut Compared<L>,
    ) -> io::Result<Option<Finding>> {
        let finding = |line, what| Some(Finding { file: log.to_owned(), line: Some(line), what });
        let Some(sealed) = record.line_digests() else {
            return Ok(finding(lines.at + 1, "the record that seals this line is malformed".to_owned()));
        };
        let mut whole: Vec<Digest> = Vec::with_capacity(sealed.len());
        for (index, expected) in sealed.iter().enumerate() {
            let Some(found) = lines.next_digest()? else {
                let left = sealed.len() - index;
                return Ok(finding(
                    lines.at + 1,
                    format!("the file ends, {left} sealed lines of segment {} are missing", record.segment),
                ));
            };
            if !found.starts_with(expected) {
                let next = lines.next_digest()?;
                return Ok(finding(
                    lines.at - u64::from(next.is_some()),
                    differs(&sealed, index, &found, next),
                ));
            }
            whole.push(found);
            self.report.lines += 1;
        }
        if seal_of(&whole).0 != record.root {
            return Ok(finding(lines.at, "the segment that ends here was changed".to_owned()));
        }
        Ok(None)
    }

    /// Lines that no record speaks of.
    fn rest<L: BufRead>(&mut self, log: &Path, mut lines: Compared<L>, newest: bool) -> io::Result<()> {
        if lines.broken {
            return Ok(());
        }
        let first = lines.at + 1;
        let mut count = 0;
        while lines.next_digest()?.is_some() {
            count += 1;
        }
        if newest {
            self.report.unsealed = count;
        } else if count > 0 {
            self.found(log, Some(first), format!("{count} lines from here on are not sealed"));
        }
        Ok(())
    }

    /// What is missing at both ends.
    pub fn finish(mut self, log: &Path) -> Report {
        let first = self.report.first_segment;
        if first > self.pruned.saturating_add(1) {
            self.found(log, None, format!("{} at the start", missing(self.pruned + 1, first - 1)));
        }
        for head in self.heads {
            let last = self.report.head.segment;
            if head.segment > last {
                self.found(log, None, format!("{} at the end", missing(last + 1, head.segment)));
            }
            let named = self.named.iter().find(|(segment, _)| *segment == head.segment);
            if named.is_some_and(|(_, digest)| *digest != head.digest) {
                self.found(log, None, format!("segment {} is another than the head names", head.segment));
            }
        }
        self.report
    }

    fn found(&mut self, file: &Path, line: Option<u64>, what: String) {
        self.report.findings.push(Finding { file: file.to_owned(), line, what });
    }
}

fn missing(from: u64, to: u64) -> String {
    if from == to {
        format!("segment {from} is missing")
    } else {
        format!("segments {from} to {to} are missing")
    }
}

/// How the first line that differs came to differ, as far as its neighbours tell.
fn differs(sealed: &[LineDigest], index: usize, found: &Digest, next: Option<Digest>) -> String {
    let is = |at: usize, digest: &Digest| sealed.get(at).is_some_and(|sealed| digest.starts_with(sealed));
    let words = if is(index + 1, found) {
        if next.is_some_and(|next| is(index, &next)) {
            "changed places with the next line"
        } else {
            "stands where another line was, which is missing"
        }
    } else if next.is_some_and(|next| is(index, &next)) {
        "was inserted"
    } else if (0..sealed.len()).any(|at| is(at, found)) {
        "was moved here"
    } else {
        "was changed"
    };
    words.to_owned()
}

/// The lines of one file.
struct Compared<L> {
    lines: Lines<L>,
    /// The number of the line read last.
    at: u64,
    /// What follows cannot be compared.
    broken: bool,
}

impl<L: BufRead> Compared<L> {
    fn next_digest(&mut self) -> io::Result<Option<Digest>> {
        let digest = self.lines.next_line()?.map(|(line, _)| digest(line));
        self.at += u64::from(digest.is_some());
        Ok(digest)
    }
}
