//! The contract of a store, on one member.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use portcullis_storage::{
    Caches, CommitOutcome, Etcd, EtcdOptions, Expect, Guard, Key, NoFields, Op, Range, Resource, Revision,
    Store, StoreError, StoreWatch, Txn, WatchError, WatchStart,
};

use crate::members::{Cluster, binaries};

fn key(name: &str) -> Key {
    format!("/registry/configmaps/ns/{name}").into()
}

fn object(name: &str, value: &str) -> Bytes {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"v":"{value}"}}}}"#
    );
    text.into()
}

async fn create(store: &Etcd, name: &str) -> Revision {
    committed(store.commit(Txn::create(key(name), object(name, "0"))).await.unwrap())
}

#[track_caller]
fn committed(outcome: CommitOutcome) -> Revision {
    match outcome {
        CommitOutcome::Committed { revision, .. } => revision,
        conflict @ CommitOutcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

#[tokio::test]
async fn transactions_are_made_or_say_what_stands_against_them() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        let first = create(&store, "a").await;
        assert_eq!(store.current_revision(), first, "the observers have seen it");
        let again = store.commit(Txn::create(key("a"), object("a", "1"))).await.unwrap();
        let CommitOutcome::Conflict { guard: 0, current: Some(current), .. } = again else {
            panic!("{again:?}")
        };
        assert_eq!((current.mod_revision, current.value), (first, object("a", "0")));

        let second = committed(store.commit(Txn::update(key("a"), first, object("a", "1"))).await.unwrap());
        let stale = store.commit(Txn::update(key("a"), first, object("a", "2"))).await.unwrap();
        assert!(matches!(stale, CommitOutcome::Conflict { guard: 0, .. }), "{stale:?}");

        let both = Txn {
            guards: vec![
                Guard { key: key("a"), expect: Expect::Present },
                Guard { key: key("b"), expect: Expect::Absent },
            ],
            ops: vec![
                Op::Put { key: key("a"), value: object("a", "3"), ttl: None },
                Op::Put { key: key("b"), value: object("b", "0"), ttl: None },
                Op::Delete { key: key("none") },
            ],
            outbox: None,
        };
        let outcome = store.commit(both).await.unwrap();
        let CommitOutcome::Committed { revision, previous } = outcome else { panic!("{outcome:?}") };
        assert_eq!(previous, [Some(second), None, None]);
        assert_eq!(store.get(&key("a"), None).await.unwrap().unwrap().mod_revision, revision);
        assert_eq!(store.get(&key("a"), Some(first)).await.unwrap().unwrap().value, object("a", "0"));

        let nothing = Txn { ops: vec![Op::Delete { key: key("none") }], ..Txn::default() };
        assert_eq!(committed(store.commit(nothing).await.unwrap()), revision);
        let twice = Op::Delete { key: key("a") };
        let twice = Txn { ops: vec![twice.clone(), twice], ..Txn::default() };
        assert!(matches!(store.commit(twice).await, Err(StoreError::Invalid(_))));
        let future = store.get(&key("a"), Some(Revision(1 << 40))).await;
        assert!(matches!(future, Err(StoreError::Future { .. })), "{future:?}");
    }
}

#[tokio::test]
async fn keys_end_when_their_time_is_up() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let store: Arc<dyn Store> = Arc::new(etcd.open().await);
        let put =
            Op::Put { key: key("brief"), value: object("brief", "0"), ttl: Some(Duration::from_secs(1)) };
        let made = committed(store.commit(Txn { ops: vec![put], ..Txn::default() }).await.unwrap());
        let mut watch = StoreWatch::new(store.clone(), "/registry/configmaps/", made);
        let gone = watch.next().await.unwrap();
        assert_eq!((gone[0].value.clone(), gone[0].previous), (None, Some(made)));
    }
}

#[tokio::test]
async fn a_read_sees_what_another_server_acknowledged() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let (one, two) = (etcd.open().await, Arc::new(etcd.open().await));
        let caches = Caches::new(two.clone()).unwrap();
        let cache = caches.resource(Resource::new("/registry/configmaps/", NoFields));
        cache.ready().await.unwrap();
        for round in 0..50 {
            let name = format!("c{round}");
            let made = create(&one, &name).await;
            assert!(two.fresh().await.unwrap() >= made);
            assert_eq!(cache.peek(&key(&name)).unwrap().unwrap().revision(), made);
        }
    }
}

#[tokio::test]
async fn a_read_does_not_wait_for_ever_where_others_write_outside_the_root() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        let elsewhere = EtcdOptions { prefix: "/elsewhere".to_owned(), ..etcd.options() };
        let other = Etcd::connect(elsewhere).await.unwrap();
        create(&store, "mine").await;
        for round in 0..5 {
            let made = create(&other, &format!("theirs{round}")).await;
            assert!(store.fresh().await.unwrap() >= made);
            assert!(store.get(&key("theirs0"), None).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn history_is_told_from_any_kept_revision_and_refused_from_others() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let writer = etcd.open().await;
        let first = create(&writer, "a").await;
        for name in ["b", "c", "d"] {
            create(&writer, name).await;
        }
        // Opened later, so that nothing of it came by its own watch.
        let store = etcd.open().await;
        let found = store.history("/registry/configmaps/", first, 2).await.unwrap();
        assert_eq!(found.changes.len(), 2);
        let rest = store.history("/registry/configmaps/", found.reached, 10).await.unwrap();
        assert_eq!(rest.changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>(), [key("d")]);
        let none = store.history("/registry/pods/", first, 10).await.unwrap();
        assert!(none.changes.is_empty() && none.reached >= rest.reached);

        store.compact(rest.reached).await.unwrap();
        let old = store.history("/registry/configmaps/", first, 10).await;
        assert!(matches!(old, Err(StoreError::Compacted { .. })), "{old:?}");
        let old = store.get(&key("a"), Some(first)).await;
        assert!(matches!(old, Err(StoreError::Compacted { .. })), "{old:?}");
        assert!(store.oldest_revision() > first);
    }
}

#[tokio::test]
async fn the_outbox_keeps_its_order_and_outlives_the_server() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        for name in ["a", "b", "c"] {
            let txn = Txn::create(key(name), object(name, "0"))
                .with_outbox(Bytes::copy_from_slice(name.as_bytes()));
            committed(store.commit(txn).await.unwrap());
        }
        let refused = Txn::create(key("a"), object("a", "0")).with_outbox(Bytes::from_static(b"never"));
        store.commit(refused).await.unwrap();
        let records = store.outbox(0, 10).await.unwrap();
        assert_eq!(records.iter().map(|record| record.bytes.clone()).collect::<Vec<_>>(), ["a", "b", "c"]);
        store.drain_outbox(records[1].sequence).await.unwrap();
        drop(store);
        let store = etcd.open().await;
        let left = store.outbox(0, 10).await.unwrap();
        assert_eq!(left.iter().map(|record| record.bytes.clone()).collect::<Vec<_>>(), ["c"]);
        let other = etcd.open_with(EtcdOptions { server: "other".to_owned(), ..etcd.options() }).await;
        assert!(other.outbox(0, 10).await.unwrap().is_empty(), "every server has its own");
        // Beside them lie the record that is left, and perhaps a mark.
        assert!(store.range(Range::default()).await.unwrap().count > 3);
        assert_eq!(store.range(Range::default()).await.unwrap().kvs.len(), 3);
    }
}

#[tokio::test]
async fn large_ranges_come_page_by_page_at_one_revision() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = Arc::new(etcd.open().await);
        let puts = |from: usize| {
            let put =
                |n| Op::Put { key: key(&format!("{n:06}")), value: Bytes::from_static(b"{}"), ttl: None };
            Txn { ops: (from..from + 100).map(put).collect(), ..Txn::default() }
        };
        let writes = (0..105).map(|batch| {
            let (store, txn) = (store.clone(), puts(batch * 100));
            async move { committed(store.commit(txn).await.unwrap()) }
        });
        // Not more at once than a slow machine's etcd takes in time.
        let writes = futures::stream::iter(writes).buffer_unordered(8);
        assert_eq!(writes.collect::<Vec<_>>().await.len(), 105);
        let all = store.range(Range::prefix("/registry/configmaps/")).await.unwrap();
        assert_eq!((all.kvs.len(), all.count, all.more), (10_500, 10_500, false));
        assert!(all.kvs.is_sorted_by(|a, b| a.key < b.key));
        let some = store.range(Range::prefix("/registry/configmaps/").limit(7)).await.unwrap();
        assert_eq!((some.kvs.len(), some.count, some.more), (7, 10_500, true));
    }
}

#[tokio::test]
async fn what_was_compacted_unseen_is_read_again_and_watchers_expire() {
    for binary in binaries() {
        let mut etcd = Cluster::start(&binary, 1, &[]);
        let writer = etcd.open().await;
        let stay = create(&writer, "stays").await;
        create(&writer, "goes").await;
        let reader = Arc::new(etcd.open().await);
        let caches = Caches::new(reader.clone()).unwrap();
        let cache = caches.resource(Resource::new("/registry/configmaps/", NoFields));
        let mut watcher = cache.watch(WatchStart::Initial).await.unwrap();
        watcher.take_initial();
        // Whether the reader or the compaction is first is up to the machine; both ways must be right.
        etcd.kill(0);
        let hidden = etcd.options();
        drop(writer);
        etcd.restart(0);
        let writer = etcd.open_with(hidden).await;
        let gone = writer.get(&key("goes"), None).await.unwrap().unwrap().mod_revision;
        committed(writer.commit(Txn::delete(key("goes"), gone)).await.unwrap());
        committed(writer.commit(Txn::update(key("stays"), stay, object("stays", "1"))).await.unwrap());
        let last = create(&writer, "comes").await;
        writer.compact(last).await.unwrap();
        reader.wait_until(last).await.unwrap();
        assert!(cache.peek(&key("goes")).unwrap().is_none());
        assert!(cache.peek(&key("comes")).unwrap().is_some());
        assert!(cache.peek(&key("stays")).unwrap().unwrap().revision() > stay);
        // Who watched was shown the changes, or is told to list again; never a part of them.
        match watcher.next_batch().await {
            Err(WatchError::Expired { .. }) => {}
            Ok(events) => assert_eq!(events[0].entry.name(), "goes"),
            Err(other) => panic!("{other}"),
        }
    }
}
