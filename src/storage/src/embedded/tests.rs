use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::faults::Faults;
use super::*;
use crate::{Expect, Guard, Key, Op, StoreWatch};

mod damage;
mod model;
mod power;
mod time;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn options(folder: &Path) -> Options {
    Options::new(folder.join("store.redb"))
}

fn open(folder: &Path) -> Embedded {
    Embedded::open(options(folder)).unwrap()
}

fn key(name: &str) -> Key {
    name.into()
}

fn value(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

fn put(name: &str, text: &str) -> Txn {
    let op = Op::Put { key: key(name), value: value(text), ttl: None };
    Txn { ops: vec![op], ..Txn::default() }
}

fn put_for(name: &str, text: &str, ttl: Duration) -> Txn {
    let op = Op::Put { key: key(name), value: value(text), ttl: Some(ttl) };
    Txn { ops: vec![op], ..Txn::default() }
}

#[track_caller]
fn revision_of(outcome: CommitOutcome) -> Revision {
    match outcome {
        CommitOutcome::Committed { revision, .. } => revision,
        conflict => panic!("{conflict:?}"),
    }
}

async fn text_of(store: &Embedded, name: &str, at: Option<Revision>) -> Option<String> {
    let found = store.get(name, at).await.unwrap()?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn revisions_start_at_one_and_count_transactions() {
    let folder = folder();
    let store = open(folder.path());
    assert_eq!(store.current_revision(), Revision(1));
    let made = store.commit(Txn::create(key("a"), value("1"))).await.unwrap();
    assert_eq!(made, CommitOutcome::Committed { revision: Revision(2), previous: vec![None] });
    let both = Txn {
        ops: vec![
            Op::Put { key: key("a"), value: value("2"), ttl: None },
            Op::Put { key: key("b"), value: value("1"), ttl: None },
        ],
        ..Txn::default()
    };
    let made = store.commit(both).await.unwrap();
    let previous = vec![Some(Revision(2)), None];
    assert_eq!(made, CommitOutcome::Committed { revision: Revision(3), previous });
    let nothing = store.commit(Txn { ops: vec![Op::Delete { key: key("none") }], ..Txn::default() }).await;
    let expected = CommitOutcome::Committed { revision: Revision(3), previous: vec![None] };
    assert_eq!(nothing.unwrap(), expected);
    assert_eq!(store.current_revision(), Revision(3));
}

#[tokio::test]
async fn a_failed_guard_reports_what_is_there() {
    let folder = folder();
    let store = open(folder.path());
    store.commit(put("a", "1")).await.unwrap();
    let outcome = store.commit(Txn::create(key("a"), value("2"))).await.unwrap();
    let current = KeyValue { key: key("a"), value: value("1"), mod_revision: Revision(2) };
    let expected = CommitOutcome::Conflict { guard: 0, current: Some(current), revision: Revision(2) };
    assert_eq!(outcome, expected);
    let txn = Txn {
        guards: vec![
            Guard { key: key("a"), expect: Expect::Present },
            Guard { key: key("b"), expect: Expect::ModRevision(Revision(2)) },
        ],
        ..put("c", "1")
    };
    let outcome = store.commit(txn).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { guard: 1, current: None, revision: Revision(2) });
    assert_eq!(text_of(&store, "c", None).await, None);
}

#[tokio::test]
async fn transactions_that_make_no_sense_are_refused() {
    let folder = folder();
    let store = open(folder.path());
    let twice =
        Txn { ops: vec![Op::Delete { key: key("a") }, Op::Delete { key: key("a") }], ..Txn::default() };
    for txn in [twice, put("", "1"), put("a\0b", "1"), put(&"a".repeat(20_000), "1")] {
        assert!(matches!(store.commit(txn).await, Err(StoreError::Invalid(_))));
    }
}

#[tokio::test]
async fn a_restart_keeps_values_history_and_revisions() {
    let folder = folder();
    {
        let store = open(folder.path());
        store.commit(put("a", "1")).await.unwrap();
        store.commit(put("a", "2")).await.unwrap();
        store.commit(put("b", "1").with_outbox(value("audit"))).await.unwrap();
    }
    let store = Arc::new(open(folder.path()));
    assert_eq!(store.current_revision(), Revision(4));
    assert_eq!(text_of(&store, "a", Some(Revision(2))).await.as_deref(), Some("1"));
    let mut watch = StoreWatch::new(store.clone(), "a", Revision(2));
    assert_eq!(watch.next().await.unwrap().len(), 1);
    assert_eq!(revision_of(store.commit(put("c", "1")).await.unwrap()), Revision(5));
    let outbox = store.outbox(0, 10).await.unwrap();
    let record = OutboxRecord { sequence: 1, revision: Revision(4), bytes: value("audit") };
    assert_eq!(outbox, [record]);
    store.drain_outbox(1).await.unwrap();
    store.commit(put("c", "2").with_outbox(value("next"))).await.unwrap();
    let left = store.outbox(0, 10).await.unwrap();
    assert_eq!(left.iter().map(|record| record.sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_drained_outbox_is_emptied_without_another_write() {
    let folder = folder();
    let store = open(folder.path());
    store.commit(put("a", "1").with_outbox(value("audit"))).await.unwrap();
    store.drain_outbox(1).await.unwrap();
    eventually("the record goes", async || store.outbox(0, 10).await.unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_no_update() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    store.commit(put("counter", "0")).await.unwrap();
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    increment(&store).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(text_of(&store, "counter", None).await.as_deref(), Some("160"));
    assert_eq!(store.current_revision(), Revision(162));
}

async fn increment(store: &Embedded) {
    let mut seen = store.get("counter", None).await.unwrap().unwrap();
    loop {
        let number: u64 = std::str::from_utf8(&seen.value).unwrap().parse().unwrap();
        let txn = Txn::update(key("counter"), seen.mod_revision, value((number + 1).to_string()));
        match store.commit(txn).await.unwrap() {
            CommitOutcome::Committed { .. } => return,
            CommitOutcome::Conflict { current, .. } => seen = current.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_watch_waits_for_what_comes() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    let mut watch = StoreWatch::new(store.clone(), "/a/", store.current_revision());
    let waiting = tokio::spawn(async move { watch.next().await });
    store.commit(put("/b/1", "other")).await.unwrap();
    store.commit(put("/a/1", "mine")).await.unwrap();
    let changes = waiting.await.unwrap().unwrap();
    let expected =
        Change { revision: Revision(3), key: key("/a/1"), value: Some(value("mine")), previous: None };
    assert_eq!(changes, [expected]);
}

#[tokio::test]
async fn closing_ends_watches_and_later_calls() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    let mut watch = StoreWatch::new(store.clone(), "", store.current_revision());
    let waiting = tokio::spawn(async move { watch.next().await });
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(store.commit(put("a", "1")).await, Err(StoreError::Closed)));
    assert!(matches!(store.get("a", None).await, Err(StoreError::Closed)));
    assert!(matches!(store.fresh().await, Err(StoreError::Closed)));
    open(folder.path());
}

#[tokio::test]
async fn leases_run_out_and_say_so() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    let mut watch = StoreWatch::new(store.clone(), "/events/", store.current_revision());
    store.commit(put_for("/events/short", "1", Duration::from_millis(50))).await.unwrap();
    store.commit(put_for("/events/kept", "1", Duration::from_millis(50))).await.unwrap();
    store.commit(put("/events/kept", "2")).await.unwrap();
    // Granted after the others, so it ends after them.
    store.commit(put_for("/events/last", "1", Duration::from_millis(50))).await.unwrap();
    let mut gone = Vec::new();
    while !gone.iter().any(|key| *key == "/events/last") {
        let changes = watch.next().await.unwrap();
        gone.extend(
            changes.iter().filter(|change| change.value.is_none()).map(|change| change.key.to_string()),
        );
    }
    assert_eq!(gone.iter().filter(|key| *key == "/events/short").count(), 1, "{gone:?}");
    assert_eq!(text_of(&store, "/events/kept", None).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn leases_run_out_after_a_restart() {
    let folder = folder();
    {
        let store = open(folder.path());
        store.commit(put_for("a", "1", Duration::from_millis(200))).await.unwrap();
    }
    let store = open(folder.path());
    eventually("the lease runs out", async || text_of(&store, "a", None).await.is_none()).await;
}

#[tokio::test]
async fn compaction_forgets_old_reads_only() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    for round in 0..5 {
        store.commit(put("a", &round.to_string())).await.unwrap();
    }
    store.commit(Txn { ops: vec![Op::Delete { key: key("a") }], ..Txn::default() }).await.unwrap();
    store.commit(put("b", "1")).await.unwrap();
    store.compact(Revision(5)).await.unwrap();
    assert_eq!(store.oldest_revision(), Revision(5));
    assert!(matches!(
        store.get("a", Some(Revision(4))).await,
        Err(StoreError::Compacted { asked: Revision(4), oldest: Revision(5) })
    ));
    assert_eq!(text_of(&store, "a", Some(Revision(5))).await.as_deref(), Some("3"));
    assert_eq!(text_of(&store, "a", Some(Revision(6))).await.as_deref(), Some("4"));
    assert_eq!(text_of(&store, "a", None).await, None);
    assert_eq!(text_of(&store, "b", None).await.as_deref(), Some("1"));
    let early = store.history("", Revision(4), 10).await;
    assert!(matches!(early, Err(StoreError::Compacted { .. })));
    assert_eq!(store.history("", Revision(5), 10).await.unwrap().changes.len(), 3);
    assert!(matches!(store.compact(Revision(99)).await, Err(StoreError::Future { .. })));
    assert!(matches!(store.compact(Revision(2)).await, Err(StoreError::Compacted { .. })));
    assert!(matches!(store.get("a", Some(Revision(99))).await, Err(StoreError::Future { .. })));
}

#[tokio::test]
async fn history_is_read_in_pieces_that_fit_into_memory() {
    let folder = folder();
    let store = open(folder.path());
    let large = "x".repeat(400_000);
    for round in 0..5 {
        store.commit(put(&format!("a{round}"), &large)).await.unwrap();
    }
    let first = store.history("", Revision(1), 100).await.unwrap();
    assert_eq!((first.changes.len(), first.reached), (3, Revision(4)));
    let rest = store.history("", first.reached, 100).await.unwrap();
    assert_eq!((rest.changes.len(), rest.reached), (2, Revision(6)));
}

#[tokio::test]
async fn history_is_forgotten_by_age_and_by_count() {
    let folder = folder();
    let window = Options { history_window: Duration::from_millis(10), ..options(folder.path()) };
    let store = Embedded::open(window).unwrap();
    for round in 0..20 {
        store.commit(put("a", &round.to_string())).await.unwrap();
    }
    eventually("an idle store compacts", async || store.oldest_revision() == Revision(21)).await;
    assert_eq!(text_of(&store, "a", None).await.as_deref(), Some("19"));
    drop(store);

    let count = Options { history_revisions: 10, ..options(folder.path()) };
    let store = Embedded::open(count).unwrap();
    for round in 0..200 {
        store.commit(put(&format!("b{}", round % 3), "1")).await.unwrap();
    }
    assert_eq!(store.oldest_revision(), Revision(store.current_revision().0 - 10));
}

struct Panics;

impl Observer for Panics {
    fn committed(&mut self, _: &[Change], _: Revision) {
        panic!("an observer fails on purpose");
    }

    fn rebuilt(&mut self, _: &[KeyValue], _: Revision) {}
}

#[tokio::test]
async fn a_failing_observer_closes_the_store() {
    let folder = folder();
    let store = open(folder.path());
    store.observe(Box::new(Panics)).unwrap();
    assert!(matches!(store.commit(put("a", "1")).await, Err(StoreError::Closed)));
    assert!(matches!(store.commit(put("b", "1")).await, Err(StoreError::Closed)));
    drop(store);
    let store = open(folder.path());
    assert_eq!(text_of(&store, "a", None).await.as_deref(), Some("1"));
    assert_eq!(text_of(&store, "b", None).await, None);
}

struct Records(Arc<Mutex<Vec<(u64, String)>>>);

impl Observer for Records {
    fn committed(&mut self, changes: &[Change], _: Revision) {
        self.0.lock().extend(changes.iter().map(|change| (change.revision.0, change.key.to_string())));
    }

    fn rebuilt(&mut self, _: &[KeyValue], _: Revision) {}
}

#[tokio::test]
async fn observers_see_a_commit_before_it_is_acknowledged() {
    let folder = folder();
    let store = open(folder.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    assert_eq!(store.observe(Box::new(Records(seen.clone()))).unwrap(), Revision(1));
    for number in 2..20 {
        store.commit(put("a", "1")).await.unwrap();
        assert_eq!(seen.lock().last(), Some(&(number, "a".to_owned())));
    }
}

#[tokio::test]
async fn ranges_page_and_count() {
    let folder = folder();
    let store = open(folder.path());
    for name in ["/a/1", "/a/2", "/a/3", "/a0", "/b/1"] {
        store.commit(put(name, name)).await.unwrap();
    }
    let page = store.range(Range::prefix("/a/").limit(2)).await.unwrap();
    assert_eq!(page.kvs.iter().map(|kv| &*kv.key).collect::<Vec<_>>(), ["/a/1", "/a/2"]);
    assert_eq!((page.more, page.count, page.revision), (true, 3, Revision(6)));
    let rest = Range { start: "/a/2\0".to_owned(), ..Range::prefix("/a/") };
    let rest = store.range(rest).await.unwrap();
    assert_eq!(rest.kvs.iter().map(|kv| &*kv.key).collect::<Vec<_>>(), ["/a/3"]);
    assert!(!rest.more);
    let all = store.range(Range::default()).await.unwrap();
    assert_eq!(all.count, 5);
    let none = Range { start: "b".to_owned(), end: "a".to_owned(), ..Range::default() };
    assert_eq!(store.range(none).await.unwrap().count, 0);
}
