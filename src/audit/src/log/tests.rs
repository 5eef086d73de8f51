use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::outbox::{Outbox, Record};
use crate::tests::slot;
use crate::{AuditSlot, Finding, Head, ObjectRef, PublicKey, Report, verify};

const POD: &str = "/api/v1/namespaces/a/pods/p";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    fn chain(&self) -> PathBuf {
        self.dir.path().join("audit.log.chain")
    }

    fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn config(&self) -> LogConfig {
        LogConfig { signer: Some(Signer::open_or_make(&self.keys()).unwrap()), ..LogConfig::at(self.log()) }
    }

    /// One run of a log: so many batches of three events.
    fn run(&self, batches: usize) {
        self.run_with(self.config(), batches);
    }

    fn run_with(&self, config: LogConfig, batches: usize) {
        let log = Arc::new(AuditLog::open(config).unwrap());
        for _ in 0..batches {
            for _ in 0..3 {
                event(&log).complete(StatusCode::OK);
            }
            assert!(log.flush(Duration::from_secs(20)));
        }
    }

    fn verify(&self) -> Report {
        let heads: Vec<Head> = Head::in_directory(&self.keys()).unwrap().into_iter().collect();
        verify(&self.log(), &PublicKey::in_directory(&self.keys()).unwrap(), &heads).unwrap()
    }

    /// What is found wrong, as `(file, line, words)`.
    fn findings(&self) -> Vec<(String, Option<u64>, String)> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let told = |Finding { file, line, what }| (name(&file), line, what);
        self.verify().findings.into_iter().map(told).collect()
    }

    fn edit(&self, file: &Path, edit: impl FnOnce(&mut Vec<String>)) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        std::fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

fn event(log: &Arc<AuditLog>) -> AuditSlot {
    slot(log.clone(), &Method::DELETE, POD)
}

#[test]
fn the_log_is_private_rotated_and_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let rotation = Rotation { max_bytes: 5_000, max_backups: 2, compress: false, ..Rotation::default() };
    place.run_with(LogConfig { rotation, ..place.config() }, 20);
    let files = crate::read::files(&place.log()).unwrap();
    assert_eq!(files.len(), 3, "two backups and the log");
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.len() <= 5_000 && text.ends_with('\n'));
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["kind"] == "Event"));
    }
    let report = place.verify();
    assert_eq!(report.findings, []);
    assert!(report.first_segment > 1, "retention is on record");
}

#[test]
fn compressed_backups_are_verified_too() {
    let place = Place::new();
    let rotation = Rotation { max_bytes: 3_000, compress: true, ..Rotation::default() };
    place.run_with(LogConfig { rotation, ..place.config() }, 8);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let backups = || crate::read::files(&place.log()).unwrap();
    while !backups().iter().rev().skip(1).all(|file| file.extension().unwrap() == "gz") {
        assert!(std::time::Instant::now() < deadline, "{:?}", backups());
        std::thread::yield_now();
    }
    let report = place.verify();
    assert_eq!((report.findings.as_slice(), report.lines), ([].as_slice(), 24));
}

#[test]
fn i020_an_untouched_log_verifies_over_restarts() {
    let place = Place::new();
    place.run(2);
    place.run(1);
    let report = place.verify();
    assert_eq!(report.findings, []);
    assert_eq!((report.lines, report.first_segment, report.unsealed), (9, 1, 0));
}

#[test]
fn i020_the_first_line_that_was_touched_is_named() {
    let touch = |edit: fn(&mut Vec<String>)| {
        let place = Place::new();
        place.run(2);
        place.edit(&place.log(), edit);
        place.findings()
    };
    let log = |line: u64, words: &str| ("audit.log".to_owned(), Some(line), words.to_owned());
    assert_eq!(touch(|lines| lines[1] = lines[1].replace("delete", "get")), [log(2, "was changed")]);
    assert_eq!(touch(|lines| lines.swap(0, 1)), [log(1, "changed places with the next line")]);
    assert_eq!(touch(|lines| lines.insert(4, "{}".into())), [log(5, "was inserted")]);
    let gone = "stands where another line was, which is missing";
    assert_eq!(touch(|lines| drop(lines.remove(0))), [log(1, gone)]);
    let found = touch(|lines| lines.truncate(4));
    assert!(
        matches!(found.as_slice(), [(_, Some(5), words)] if words.contains("2 sealed lines")),
        "{found:?}"
    );
}

#[test]
fn i020_a_chain_that_was_touched_is_found_out() {
    let touch = |edit: fn(&mut Vec<String>)| {
        let place = Place::new();
        place.run(3);
        place.edit(&place.chain(), edit);
        place.findings()
    };
    type Edit = fn(&mut Vec<String>);
    let edits: [(Edit, &str); 4] = [
        (
            |records| records[0] = records[0].replace("\"lines\":3", "\"lines\":2"),
            "the record has a wrong signature",
        ),
        (|records| drop(records.remove(1)), "segment 2 is missing"),
        (|records| records.swap(0, 1), "segment 1 stands after segment 2"),
        (|records| drop(records.remove(0)), "segment 1 is missing at the start"),
    ];
    for (edit, words) in edits {
        let findings = touch(edit);
        assert!(findings.iter().any(|(_, _, what)| what == words), "{words}: {findings:?}");
    }
}

#[test]
fn i020_a_log_that_was_cut_at_its_end_is_found_out() {
    let place = Place::new();
    place.run(3);
    place.edit(&place.log(), |lines| lines.truncate(6));
    place.edit(&place.chain(), |records| records.truncate(2));
    assert_eq!(place.findings()[0].2, "segment 3 is missing at the end");
    place.run(1);
    let findings = place.findings();
    assert!(findings[0].2.contains("missing"), "a restart heals nothing: {findings:?}");
    assert!(
        findings.iter().any(|found| found.2.contains("found the log cut when it started")),
        "{findings:?}"
    );
}

#[test]
fn i020_a_removed_file_and_another_key_are_found_out() {
    let place = Place::new();
    let rotation = Rotation { max_bytes: 3_000, ..Rotation::default() };
    place.run_with(LogConfig { rotation, ..place.config() }, 8);
    let files = crate::read::files(&place.log()).unwrap();
    assert!(files.len() > 2);
    std::fs::remove_file(&files[1]).unwrap();
    std::fs::remove_file(chain_of(&files[1])).unwrap();
    assert!(place.findings()[0].2.contains("missing"));
    let other = Place::new();
    other.run(1);
    let key = PublicKey::in_directory(&other.keys()).unwrap();
    assert!(verify(&place.log(), &key, &[]).unwrap().findings[0].what.contains("signature"));
}

#[test]
fn i021_a_torn_line_is_cut_and_what_a_crash_left_unsealed_is_sealed_and_marked() {
    let place = Place::new();
    place.run(1);
    let mut text = std::fs::read_to_string(place.log()).unwrap();
    let whole = text.lines().next().unwrap().to_owned();
    text.push_str(&format!("{whole}\n{{\"kind\":\"Ev"));
    std::fs::write(place.log(), text).unwrap();
    place.run(1);
    let report = place.verify();
    assert_eq!(report.findings, []);
    assert_eq!((report.lines, report.found, report.lost), (7, 1, 1));
}

#[test]
fn j026_a_full_queue_counts_what_it_loses_in_the_chain() {
    let place = Place::new();
    let log = Arc::new(AuditLog::open(LogConfig { queue: 1, ..place.config() }).unwrap());
    for _ in 0..1_000 {
        event(&log).complete(StatusCode::OK);
    }
    let lost = log.lost();
    assert!(lost > 0);
    drop(log);
    let report = place.verify();
    assert_eq!((report.lost, report.lines), (lost, 1_000 - lost));
}

#[test]
fn i028_a_large_event_loses_its_bodies_and_stays_json() {
    let place = Place::new();
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]";
    let log = Arc::new(AuditLog::open(LogConfig { truncate: Some(4096), ..place.config() }).unwrap());
    let policy = crate::Policy::parse(policy).unwrap();
    let slot = crate::tests::slot_by(log.clone(), policy, &Method::POST, "/api/v1/namespaces/a/pods");
    slot.request_body(|| Value::String("x".repeat(3 << 20)));
    slot.complete(StatusCode::CREATED);
    drop((slot, log));
    let text = std::fs::read_to_string(place.log()).unwrap();
    let event: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(event["annotations"]["audit.k8s.io/truncated"], "true");
    assert_eq!(event.get("requestObject"), None);
}

#[test]
fn legacy_lines_read_as_upstreams() {
    let place = Place::new();
    place.run_with(LogConfig { format: Format::Legacy, ..place.config() }, 1);
    let text = std::fs::read_to_string(place.log()).unwrap();
    assert!(text.starts_with(
        "1970-01-01T00:00:00Z AUDIT: id=\"id-1\" stage=\"ResponseComplete\" ip=\"192.0.2.7\" method=\"delete\" \
         user=\"<none>\" groups=\"<none>\" as=\"<self>\" asgroups=\"<lookup>\" user-agent=\"kubectl/v1.36\" \
         namespace=\"a\" uri=\"/api/v1/namespaces/a/pods/p\" response=\"200\"\n"
    ));
    assert_eq!(place.findings(), []);
}

/// A store's outbox in memory.
#[derive(Default)]
struct Kept(Mutex<(u64, Vec<Record>)>);

impl Kept {
    fn commit(&self, slot: &AuditSlot) {
        let mut kept = self.0.lock();
        kept.0 += 1;
        let line: Bytes = slot.outbox(&ObjectRef::default(), StatusCode::OK).unwrap();
        let record = Record { sequence: kept.0, revision: 7, line };
        kept.1.push(record);
    }

    fn left(&self) -> usize {
        self.0.lock().1.len()
    }
}

#[async_trait]
impl Outbox for Kept {
    fn newest(&self) -> u64 {
        self.0.lock().0
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Record>, String> {
        Ok(self.0.lock().1.iter().filter(|record| record.sequence > after).take(limit).cloned().collect())
    }

    async fn drain(&self, sequence: u64) -> Result<(), String> {
        self.0.lock().1.retain(|record| record.sequence > sequence);
        Ok(())
    }
}

fn lines(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.log()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn i021_what_was_committed_and_not_logged_is_logged_after_a_crash() {
    let place = Place::new();
    let kept = Kept::default();
    let log = Arc::new(AuditLog::open(place.config()).unwrap());
    let crashed = event(&log);
    kept.commit(&crashed);
    // The process is gone before the request's end: nothing of it reaches the log.
    std::mem::forget(crashed);
    let log = Arc::new(AuditLog::open(LogConfig { signer: None, ..LogConfig::at(place.log()) }).unwrap());
    assert_eq!(log.recover(&kept).await, Ok(1));
    assert_eq!(kept.left(), 0);
    let event = lines(&place).pop().unwrap();
    assert_eq!(event["annotations"]["portcullis.io/revision"], "7");
    assert_eq!(
        (&event["responseStatus"]["code"], &event["stage"]),
        (&200.into(), &"ResponseComplete".into())
    );
    kept.commit(&crate::tests::slot(log.clone(), &Method::DELETE, POD));
    assert_eq!(log.recover(&kept).await, Ok(0), "its event is there already");
}

#[tokio::test(start_paused = true)]
async fn the_outbox_is_emptied_when_its_events_are_on_record_and_not_before() {
    let place = Place::new();
    let kept = Arc::new(Kept::default());
    let log = Arc::new(AuditLog::open(place.config()).unwrap());
    let draining = tokio::spawn(log.clone().drain(kept.clone()));
    let slow = event(&log);
    kept.commit(&slow);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(kept.left(), 1, "its request is not over");
    slow.complete(StatusCode::OK);
    drop(slow);
    while kept.left() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    draining.abort();
    assert_eq!(lines(&place).len(), 1, "once");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_queue_lost_is_taken_from_the_outbox() {
    let place = Place::new();
    let kept = Arc::new(Kept::default());
    let log = Arc::new(AuditLog::open(LogConfig { queue: 1, ..place.config() }).unwrap());
    let draining = tokio::spawn(log.clone().drain(kept.clone()));
    for _ in 0..50 {
        let slot = event(&log);
        kept.commit(&slot);
        slot.complete(StatusCode::OK);
    }
    while kept.left() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    draining.abort();
    assert_eq!(log.lost(), 0, "late is not lost");
    assert!(!lines(&place).is_empty());
}
