//! Kills a writing process at random moments and looks whether what it was promised is there.
//!
//! The test runs itself again as the writer: eight tasks commit without pause and print what was
//! acknowledged. After each kill the parent opens the store and checks every acknowledged write, the
//! revisions, the log and the outbox against each other. `PORTCULLIS_CRASHES=1000` for a long run.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test fail it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_storage::{CommitOutcome, Embedded, Op, Options, Range, Revision, Store, Txn};
use rand::Rng;

const WRITER: &str = "PORTCULLIS_CRASH_WRITER";
const TASKS: u64 = 8;
const KEYS: u64 = 5;

/// An acknowledged write: task, number within the task, revision.
type Acknowledged = (u64, u64, u64);

#[test]
fn a_killed_writer_keeps_its_promises() {
    if let Ok(path) = std::env::var(WRITER) {
        let (path, first) = path.rsplit_once(' ').expect("a path and a number");
        return write_for_ever(Path::new(path), first.parse().expect("a number"));
    }
    let crashes = std::env::var("PORTCULLIS_CRASHES").map_or(20, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut rng = rand::rng();
    let mut known: BTreeMap<u64, Acknowledged> = BTreeMap::new();
    for crash in 0..crashes {
        let wait = Duration::from_millis(rng.random_range(1..120));
        for one in run_and_kill(&path, crash * 1_000_000, wait) {
            known.insert(one.2, one);
        }
        if path.exists() {
            verify(&path, &known);
        }
    }
    assert!(known.len() > usize::try_from(crashes).unwrap(), "the writer got little done: {}", known.len());
    println!("{crashes} kills, {} acknowledged writes", known.len());
}

fn run_and_kill(path: &Path, first: u64, wait: Duration) -> Vec<Acknowledged> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_writer_keeps_its_promises", "--nocapture"])
        .env(WRITER, format!("{} {first}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        // A line the kill cut short was not acknowledged in full.
        let lines = stdout.lines().map_while(Result::ok);
        lines.filter_map(|line| parse(&line)).collect::<Vec<_>>()
    });
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn parse(line: &str) -> Option<Acknowledged> {
    let mut words = line.strip_prefix("ok ")?.strip_suffix(" .")?.split(' ').map(str::parse);
    match (words.next(), words.next(), words.next()) {
        (Some(Ok(task)), Some(Ok(number)), Some(Ok(revision))) => Some((task, number, revision)),
        _ => None,
    }
}

fn key(task: u64, number: u64) -> String {
    format!("/crash/{task}/{}", number % KEYS)
}

fn value(task: u64, number: u64) -> Bytes {
    Bytes::from(format!("{task} {number} {}", "x".repeat(usize::try_from(number % 3000).unwrap())))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn write_for_ever(path: &Path, first: u64) {
    let options = Options { history_revisions: 500, ..Options::new(path) };
    let store = Arc::new(Embedded::open(options).unwrap());
    runtime().block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write(store.clone(), task, first))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn write(store: Arc<Embedded>, task: u64, first: u64) {
    for number in first.. {
        let op = Op::Put { key: key(task, number).into(), value: value(task, number), ttl: None };
        let txn =
            Txn { ops: vec![op], outbox: Some(Bytes::from(format!("{task} {number}"))), guards: vec![] };
        let CommitOutcome::Committed { revision, .. } = store.commit(txn).await.unwrap() else {
            panic!("a transaction without guards has no conflict")
        };
        // One write call, so that a line is there whole or not at all.
        let line = format!("ok {task} {number} {revision} .\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        if number % 50 == 0 {
            let latest = store.outbox(0, 1).await.unwrap();
            let done = latest.first().map_or(0, |record| record.sequence);
            store.drain_outbox(done).await.unwrap();
        }
    }
}

fn verify(path: &Path, known: &BTreeMap<u64, Acknowledged>) {
    let store = Embedded::open(Options { verify: true, ..Options::new(path) }).unwrap();
    runtime().block_on(async {
        let current = store.current_revision();
        assert!(known.keys().next_back().is_none_or(|last| *last <= current.get()));
        let mut newest: BTreeMap<String, Acknowledged> = BTreeMap::new();
        for (task, number, revision) in known.values() {
            newest.insert(key(*task, *number), (*task, *number, *revision));
        }
        for (key, (task, number, revision)) in newest {
            let found = store.get(&key, None).await.unwrap().expect("an acknowledged write is there");
            if found.mod_revision == Revision(revision) {
                assert_eq!(found.value, value(task, number));
            } else {
                assert!(found.mod_revision > Revision(revision), "{key} went back");
            }
        }
        check_history(&store, known).await;
        store.close().await.unwrap();
    });
}

/// The kept log tells one change for each revision, the acknowledged ones among them, and leads from the
/// oldest state to the newest.
async fn check_history(store: &Embedded, known: &BTreeMap<u64, Acknowledged>) {
    let oldest = store.oldest_revision();
    let history = store.history("", oldest, usize::MAX).await.unwrap();
    let revisions: Vec<u64> = history.changes.iter().map(|change| change.revision.get()).collect();
    assert!(revisions.iter().copied().eq(oldest.get() + 1..=store.current_revision().get()));
    let everything = || Range::prefix("/");
    let mut state: BTreeMap<_, _> = store
        .range(everything().at(oldest))
        .await
        .unwrap()
        .kvs
        .into_iter()
        .map(|kv| (kv.key.clone(), kv))
        .collect();
    for change in history.changes {
        let before = state.get(&change.key).map(|kv| kv.mod_revision);
        assert_eq!(before, change.previous, "{}", change.key);
        if let Some((task, number, _)) = known.get(&change.revision.get()) {
            assert_eq!(change.value, Some(value(*task, *number)));
        }
        let value = change.value.expect("nothing is deleted");
        let kv =
            portcullis_storage::KeyValue { key: change.key.clone(), value, mod_revision: change.revision };
        state.insert(change.key, kv);
    }
    let now = store.range(everything()).await.unwrap().kvs;
    assert!(state.into_values().eq(now));
    let outbox = store.outbox(0, usize::MAX).await.unwrap();
    assert!(outbox.is_sorted_by(|a, b| a.sequence + 1 == b.sequence), "the outbox has a gap");
}
