use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::{CommitOutcome, Embedded, Key, Op, Options, Parts, Txn, View, keys};

mod finding;
mod model;

/// A store, its caches, and the cache of config maps.
struct Rig {
    folder: TempDir,
    store: Arc<Embedded>,
    caches: Caches,
    maps: Arc<ResourceCache>,
}

struct ByPhase;

impl Indexer for ByPhase {
    fn fields(&self, object: &mut Parts<'_, '_>, put: &mut dyn FnMut(&str)) {
        let phase = object.at(["status", "phase"].into_iter()).and_then(View::scalar);
        put(phase.as_deref().unwrap_or_default());
    }
}

impl Rig {
    fn new() -> Self {
        Self::with(RingLimits::default())
    }

    fn with(ring: RingLimits) -> Self {
        Self::open(tempfile::tempdir().unwrap(), ring)
    }

    fn open(folder: TempDir, ring: RingLimits) -> Self {
        let options = Options::new(folder.path().join("store.redb"));
        let store = Arc::new(Embedded::open(options).unwrap());
        let caches = Caches::new(store.clone()).unwrap();
        let prefix = keys::resource_prefix("configmaps");
        let maps = caches.resource(Resource { ring, ..Resource::new(prefix, ByPhase) });
        Self { folder, store, caches, maps }
    }

    fn restart(self, ring: RingLimits) -> Self {
        let Self { folder, store, caches, maps } = self;
        drop((caches, maps));
        drop(Arc::into_inner(store).expect("nobody else holds the store"));
        Self::open(folder, ring)
    }

    async fn put(&self, name: &str, phase: &str) -> Revision {
        let op = Op::Put { key: key(name), value: object(name, phase), ttl: None };
        self.commit(vec![op]).await
    }

    async fn delete(&self, name: &str) -> Revision {
        self.commit(vec![Op::Delete { key: key(name) }]).await
    }

    async fn commit(&self, ops: Vec<Op>) -> Revision {
        match self.store.commit(Txn { ops, ..Txn::default() }).await.unwrap() {
            CommitOutcome::Committed { revision, .. } => revision,
            conflict => panic!("{conflict:?}"),
        }
    }

    async fn watch(&self, start: WatchStart) -> Watcher {
        self.maps.watch(start).await.unwrap()
    }
}

fn key(name: &str) -> Key {
    keys::namespaced(&keys::resource_prefix("configmaps"), "ns", name)
}

fn object(name: &str, phase: &str) -> Bytes {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"ns","uid":"uid-{name}","labels":{{"app":"{name}"}}}},"status":{{"phase":"{phase}"}}}}"#
    );
    text.into()
}

fn served(name: &str, phase: &str, revision: Revision) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"uid-{name}","resourceVersion":"{revision}","labels":{{"app":"{name}"}}}},"status":{{"phase":"{phase}"}}}}"#
    )
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.iter().map(|entry| format!("{}={}", entry.name(), entry.fields().get(0))).collect()
}

/// What an event says, in short.
fn told(event: &Event) -> String {
    let phase = event.entry.fields().get(0);
    let before = event.previous.as_ref().map_or("-", |previous| previous.fields().get(0));
    format!("{:?} {} {before}>{phase} {}", event.event_type, event.entry.name(), event.revision)
}

/// Reads a watcher until it has shown `count` events.
async fn collect(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let batch = tokio::time::timeout(Duration::from_secs(10), watcher.next_batch());
        let batch = batch.await.expect("events come").unwrap();
        seen.extend(batch.iter().map(|event| told(event)));
    }
    seen
}

async fn is_idle(watcher: &mut Watcher) -> bool {
    tokio::time::timeout(Duration::from_millis(30), watcher.next_batch()).await.is_err()
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn only_those_whom_a_change_concerns_are_woken() {
    let rig = Rig::new();
    let begun = rig.put("a", "New").await;
    let watch = || rig.maps.watch_for(WatchStart::After(begun), Some(Trait::Label("app", "a")));
    let (mut own, alike) = (watch().await.unwrap(), watch().await.unwrap());
    let woken = Arc::new(Woken::default());
    {
        let mut waits = std::pin::pin!(own.next_batch());
        let waker = woken.clone().into();
        assert!(waits.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        drop(alike);
        rig.put("b", "New").await;
        assert_eq!(woken.0.load(Ordering::Relaxed), 0, "it is about another");
        rig.put("a", "Old").await;
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "whoever leaves takes nobody along");
        let seen = waits.await.unwrap();
        assert_eq!(seen.last().map(|event| told(event)).as_deref(), Some("Modified a New>Old 4"));
    }
    rig.put("b", "Old").await;
    assert_eq!(own.progress(), rig.store.current_revision(), "it has missed nothing");
}

#[tokio::test]
async fn whoever_sleeps_through_more_than_is_kept_misses_nothing() {
    let rig = Rig::with(RingLimits { events: 4, bytes: 1 << 20 });
    rig.put("a", "New").await;
    let start = WatchStart::After(rig.store.current_revision());
    let mut own = rig.maps.watch_for(start, Some(Trait::Key(&key("a")))).await.unwrap();
    for turn in 0..20 {
        rig.put("b", &turn.to_string()).await;
    }
    own.rest();
    // What came before is no longer kept: who did not rest would be told to start over.
    rig.store.compact(rig.store.current_revision()).await.unwrap();
    rig.delete("a").await;
    assert_eq!(collect(&mut own, 1).await, ["Deleted a New>New 23"]);
    assert!(is_idle(&mut own).await);
}

#[tokio::test]
async fn a_read_after_a_write_sees_it_as_it_is_served() {
    let rig = Rig::new();
    let revision = rig.put("a", "New").await;
    let entry = rig.maps.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(entry.body(), served("a", "New", revision).as_bytes());
    assert_eq!((entry.namespace(), entry.name(), entry.uid()), ("ns", "a", "uid-a"));
    assert_eq!((entry.revision(), entry.is_deleting()), (revision, false));
    assert_eq!(entry.labels().get("app"), Some("a"));
    assert_eq!(entry.fields().get(0), "New");
    assert_eq!((&*entry.stored_as().api_version, &*entry.stored_as().kind), ("v1", "ConfigMap"));

    let revision = rig.put("a", "Old").await;
    let entry = rig.maps.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(entry.body(), served("a", "Old", revision).as_bytes());
    rig.delete("a").await;
    assert!(rig.maps.get(&key("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_cluster_scoped_object_has_no_namespace() {
    let rig = Rig::new();
    let nodes = rig.caches.resource(Resource::new("/registry/minions/", NoFields));
    let value = Bytes::from_static(
        br#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n","deletionTimestamp":"x"}}"#,
    );
    let key: Key = "/registry/minions/n".into();
    rig.commit(vec![Op::Put { key: key.clone(), value, ttl: None }]).await;
    let entry = nodes.get(&key).await.unwrap().unwrap();
    assert_eq!((entry.namespace(), entry.name(), entry.uid()), ("", "n", ""));
    assert!(entry.is_deleting());
    assert_eq!(entry.with_revision(Revision(1234)).body().len(), entry.body().len() + 3);
}

#[tokio::test]
async fn snapshots_do_not_change() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let at = rig.put("b", "1").await;
    let before = rig.maps.snapshot().await.unwrap();
    rig.put("a", "2").await;
    rig.delete("b").await;
    let last = rig.put("c", "1").await;
    assert_eq!(names(&before), ["a=1", "b=1"]);
    assert_eq!(before.revision(), at);
    let now = rig.maps.snapshot().await.unwrap();
    assert_eq!((names(&now), now.revision()), (vec!["a=2".to_owned(), "c=1".to_owned()], last));
    assert_eq!(names(&rig.maps.snapshot_at(at).await.unwrap()), ["a=1", "b=1"]);
    assert_eq!(names(&rig.maps.snapshot_at(at.next()).await.unwrap()), ["a=2", "b=1"]);
    assert_eq!(names(&rig.maps.snapshot_at(last).await.unwrap()), ["a=2", "c=1"]);
    let future = rig.maps.snapshot_at(last.next()).await;
    assert!(matches!(future, Err(StoreError::Future { .. })), "{future:?}");
}

#[tokio::test]
async fn a_list_has_the_revision_of_the_store() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let other: Key = "/registry/secrets/ns/s".into();
    let last = rig.commit(vec![Op::Put { key: other, value: Bytes::from_static(b"{}"), ttl: None }]).await;
    assert_eq!(rig.maps.snapshot().await.unwrap().revision(), last);
}

#[tokio::test]
async fn pages_continue_after_a_key() {
    let rig = Rig::new();
    for name in ["a", "b", "c", "d"] {
        rig.put(name, "1").await;
    }
    let snapshot = rig.maps.snapshot().await.unwrap();
    let under = |prefix: &'static str, after: Option<&str>| {
        let after = after.map(key);
        let entries = snapshot.under(prefix, after.as_deref());
        entries.map(|entry| entry.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(under("/registry/configmaps/ns/", None), ["a", "b", "c", "d"]);
    assert_eq!(under("/registry/configmaps/ns/", Some("b")), ["c", "d"]);
    assert_eq!(under("/registry/configmaps/ns/", Some("bb")), ["c", "d"]);
    assert!(under("/registry/configmaps/n/", None).is_empty());
    assert!(under("/registry/configmaps/other/", None).is_empty());
}

#[tokio::test]
async fn old_pages_come_from_the_store_and_expire() {
    let rig = Rig::with(RingLimits { events: 2, bytes: 1 << 20 });
    rig.maps.ready().await.unwrap();
    let at = rig.put("a", "1").await;
    for round in 2..8 {
        rig.put("a", &round.to_string()).await;
    }
    for _ in 0..2 {
        assert_eq!(names(&rig.maps.snapshot_at(at).await.unwrap()), ["a=1"]);
    }
    rig.store.compact(Revision(at.0 + 3)).await.unwrap();
    assert_eq!(names(&rig.maps.snapshot_at(at).await.unwrap()), ["a=1"], "a pager keeps its snapshot");
    let gone = rig.maps.snapshot_at(at.next()).await;
    assert!(matches!(gone, Err(StoreError::Compacted { .. })), "{gone:?}");
}

#[tokio::test]
async fn pages_of_what_has_not_changed_expire_too() {
    let rig = Rig::new();
    rig.maps.ready().await.unwrap();
    let at = rig.put("a", "1").await;
    let key: Key = "/registry/minions/n".into();
    for _ in 0..3 {
        let value = Bytes::from_static(br#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#);
        rig.commit(vec![Op::Put { key: key.clone(), value, ttl: None }]).await;
    }
    assert_eq!(names(&rig.maps.snapshot_at(at).await.unwrap()), ["a=1"]);
    rig.store.compact(at.next()).await.unwrap();
    let gone = rig.maps.snapshot_at(at).await;
    assert!(matches!(gone, Err(StoreError::Compacted { .. })), "{gone:?}");
    assert_eq!(names(&rig.maps.snapshot_at(at.next()).await.unwrap()), ["a=1"]);
}

#[tokio::test]
async fn a_watch_shows_all_that_follows_once() {
    let rig = Rig::new();
    let from = rig.put("a", "1").await;
    rig.put("a", "2").await;
    let mut watcher = rig.watch(WatchStart::After(from)).await;
    rig.put("b", "1").await;
    rig.delete("a").await;
    let seen = collect(&mut watcher, 3).await;
    assert_eq!(seen, ["Modified a 1>2 3", "Added b ->1 4", "Deleted a 2>2 5"]);
    assert!(is_idle(&mut watcher).await);
    rig.put("b", "2").await;
    assert_eq!(collect(&mut watcher, 1).await, ["Modified b 1>2 6"]);
}

#[tokio::test]
async fn a_deletion_carries_its_own_revision() {
    let rig = Rig::new();
    let from = rig.put("a", "1").await;
    let mut watcher = rig.watch(WatchStart::After(from)).await;
    let gone = rig.delete("a").await;
    let events = watcher.next_batch().await.unwrap();
    assert_eq!(events[0].entry.body(), served("a", "1", gone).as_bytes());
    assert_eq!(events[0].previous.as_ref().unwrap().revision(), from);
}

#[tokio::test]
async fn a_watch_from_nothing_begins_with_the_state() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let mut watcher = rig.watch(WatchStart::Initial).await;
    let state = watcher.take_initial().unwrap();
    assert_eq!(names(&state), ["a=1"]);
    assert!(watcher.take_initial().is_none());
    assert!(is_idle(&mut watcher).await);
    rig.put("b", "1").await;
    assert_eq!(collect(&mut watcher, 1).await, ["Added b ->1 3"]);
}

#[tokio::test]
async fn a_watch_of_the_future_is_refused() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let error = rig.maps.watch(WatchStart::After(Revision(9))).await.err();
    assert!(matches!(error, Some(WatchError::Future { asked: Revision(9), current: Revision(2) })));
}

#[tokio::test]
async fn progress_moves_with_the_store_but_not_past_events() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let mut watcher = rig.watch(WatchStart::Initial).await;
    let other = Op::Put { key: "/other".into(), value: Bytes::new(), ttl: None };
    let last = rig.commit(vec![other]).await;
    assert_eq!(watcher.progress(), last);
    let next = rig.put("a", "2").await;
    assert_eq!(watcher.progress(), Revision(2));
    collect(&mut watcher, 1).await;
    assert_eq!(watcher.progress(), next);
}

#[tokio::test]
async fn a_slow_watcher_reads_the_history_then_expires() {
    let rig = Rig::with(RingLimits { events: 4, bytes: 1 << 20 });
    let from = rig.put("a", "0").await;
    let mut slow = rig.watch(WatchStart::After(from)).await;
    let mut slower = rig.watch(WatchStart::After(from)).await;
    for round in 1..=20 {
        rig.put("a", &round.to_string()).await;
    }
    rig.delete("a").await;
    let seen = collect(&mut slow, 21).await;
    let expected = (1..=20).map(|n| format!("Modified a {}>{n} {}", n - 1, from.0 + n));
    assert!(seen[..20].iter().cloned().eq(expected), "{seen:?}");
    assert_eq!(seen[20], format!("Deleted a 20>20 {}", from.0 + 21));
    rig.put("a", "again").await;
    assert_eq!(collect(&mut slow, 1).await, [format!("Added a ->again {}", from.0 + 22)]);
    rig.store.compact(Revision(from.0 + 10)).await.unwrap();
    let error = slower.next_batch().await.err();
    assert!(matches!(error, Some(WatchError::Expired { .. })), "{error:?}");
    let error = rig.maps.watch(WatchStart::After(from)).await.err();
    assert!(matches!(error, Some(WatchError::Expired { .. })), "{error:?}");
}

#[tokio::test]
async fn a_watch_resumes_after_a_restart() {
    let rig = Rig::new();
    let from = rig.put("a", "1").await;
    rig.put("a", "2").await;
    rig.put("b", "1").await;
    let rig = rig.restart(RingLimits::default());
    let mut watcher = rig.watch(WatchStart::After(from)).await;
    rig.delete("b").await;
    let seen = collect(&mut watcher, 3).await;
    assert_eq!(seen, ["Modified a 1>2 3", "Added b ->1 4", "Deleted b 1>1 5"]);
}

#[tokio::test]
async fn a_transaction_is_never_split() {
    let rig = Rig::with(RingLimits { events: 3, bytes: 1 << 20 });
    let mut watcher = rig.watch(WatchStart::Initial).await;
    let put = |index: usize| {
        let name = format!("n{index:03}");
        Op::Put { key: key(&name), value: object(&name, "1"), ttl: None }
    };
    rig.commit((0..200).map(put).collect()).await;
    let batch = watcher.next_batch().await.unwrap();
    assert_eq!(batch.len(), 200);
    assert!(is_idle(&mut watcher).await);
}

#[tokio::test]
async fn frames_are_made_once() {
    let rig = Rig::new();
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(rig.watch(WatchStart::Initial).await);
    }
    rig.put("a", "1").await;
    let made = AtomicUsize::new(0);
    for watcher in &mut watchers {
        for form in 0..2 {
            let events = rig.maps.watch(WatchStart::After(Revision(1))).await.unwrap().next_batch().await;
            let key = FrameKey { shown_as: EventType::Added, form };
            let frame = events.unwrap()[0].frame(key, |event| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(event.entry.body().clone())
            });
            assert_eq!(frame.unwrap(), served("a", "1", Revision(2)));
        }
        assert_eq!(watcher.next_batch().await.unwrap().len(), 1);
    }
    assert_eq!(made.into_inner(), 2);
}

#[tokio::test]
async fn a_watcher_is_not_given_more_than_it_can_hold() {
    let rig = Rig::new();
    let mut watcher = rig.watch(WatchStart::Initial).await;
    for name in ["a", "b", "c", "d"] {
        rig.put(name, &"x".repeat(40_000)).await;
    }
    assert_eq!(watcher.next_batch().await.unwrap().len(), 2, "64 KiB are enough");
    assert_eq!(watcher.next_batch().await.unwrap().len(), 2);
    assert!(is_idle(&mut watcher).await);
}

#[tokio::test]
async fn observers_know_before_the_writer_does() {
    let rig = Rig::new();
    rig.put("a", "1").await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let observer: Observed = Box::new(move |events| {
        counted.fetch_add(events.len(), Ordering::SeqCst);
    });
    assert_eq!(names(&rig.maps.on_commit(observer).await.unwrap()), ["a=1"]);
    for number in 1..=10 {
        rig.put("b", "1").await;
        assert_eq!(count.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn a_corrupt_object_fails_lists_and_watches_until_it_is_mended() {
    for restart in [false, true] {
        let mut rig = Rig::new();
        rig.put("a", "1").await;
        rig.put("bad", "1").await;
        let mut watcher = rig.watch(WatchStart::Initial).await;
        let bad = Op::Put { key: key("bad"), value: Bytes::from_static(b"{\"a\":1}"), ttl: None };
        rig.commit(vec![bad]).await;
        let ended = watcher.next_batch().await;
        assert!(matches!(ended, Err(WatchError::Store(StoreError::Corrupt { .. }))), "{ended:?}");
        drop(watcher);
        if restart {
            rig = rig.restart(RingLimits::default());
        }
        let error = rig.maps.get(&key("bad")).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { place, .. } if place.ends_with("/bad")), "{error:?}");
        assert!(rig.maps.get(&key("a")).await.unwrap().is_some());
        assert!(rig.maps.snapshot().await.is_err());
        assert!(rig.maps.watch(WatchStart::Initial).await.is_err());
        let state = rig.maps.on_commit(Box::new(|_| {})).await.unwrap();
        assert_eq!(names(&state), ["a=1"]);
        rig.delete("bad").await;
        assert_eq!(names(&rig.maps.snapshot().await.unwrap()), ["a=1"]);
    }
}

#[tokio::test]
async fn observers_see_a_corrupt_object_go() {
    let rig = Rig::new();
    rig.put("bad", "1").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told_to = seen.clone();
    let observer: Observed = Box::new(move |events| told_to.lock().extend(events.iter().map(|e| told(e))));
    rig.maps.on_commit(observer).await.unwrap();
    rig.commit(vec![Op::Put { key: key("bad"), value: Bytes::from_static(b"?"), ttl: None }]).await;
    rig.put("bad", "2").await;
    assert_eq!(*seen.lock(), ["Deleted bad 1>1 3", "Added bad ->2 4"]);
}

#[tokio::test]
async fn a_removed_cache_is_not_followed() {
    let rig = Rig::new();
    rig.maps.ready().await.unwrap();
    rig.caches.remove(rig.maps.prefix());
    rig.put("a", "1").await;
    assert!(rig.maps.get(&key("a")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading_beside_writers_misses_nothing() {
    for round in 0..10 {
        let rig = Arc::new(Rig::new());
        let writer = {
            let rig = rig.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    rig.put(&format!("n{number:02}"), "1").await;
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(round)).await;
        let mut watcher = rig.watch(WatchStart::Initial).await;
        let first = watcher.take_initial().unwrap();
        let rest = collect(&mut watcher, 50 - first.len()).await;
        assert!(rest.iter().all(|event| event.starts_with("Added")), "{rest:?}");
        writer.await.unwrap();
        assert_eq!(rig.maps.snapshot().await.unwrap().len(), 50);
    }
}

#[tokio::test]
async fn many_watchers_cost_little_memory() {
    assert!(size_of::<Watcher>() < 512, "{}", size_of::<Watcher>());
    let rig = Rig::new();
    rig.maps.ready().await.unwrap();
    let future = {
        let mut watcher = rig.watch(WatchStart::Initial).await;
        watcher.take_initial();
        let next = watcher.next_batch();
        size_of_val(&next)
    };
    assert!(future < 1500, "a waiting watcher takes {future} bytes");
}

#[tokio::test]
async fn futures_can_move_between_threads() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let rig = Rig::new();
    send(rig.maps.snapshot()).await.unwrap();
    send(rig.maps.snapshot_at(Revision(1))).await.unwrap();
    send(rig.maps.on_commit(Box::new(|_| {}))).await.unwrap();
    send(rig.caches.ready()).await.unwrap();
    let mut watcher = send(rig.maps.watch(WatchStart::Initial)).await.unwrap();
    drop(send(watcher.next_batch()));
}
