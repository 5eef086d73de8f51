//! Moving a store to etcd and back.

use bytes::Bytes;
use portcullis_storage::{Dump, Embedded, Op, Options, Store, StoreError, Txn};

use crate::members::{Cluster, binaries};

fn put(name: &str, value: &str) -> Op {
    let key = format!("/registry/configmaps/ns/{name}").into();
    Op::Put { key, value: Bytes::copy_from_slice(value.as_bytes()), ttl: None }
}

/// A store with a past: keys written again, deleted, written together.
async fn past(path: &std::path::Path) -> Dump {
    let store = Embedded::open(Options::new(path)).unwrap();
    for round in 0..40 {
        let ops = vec![put(&format!("k{}", round % 7), &round.to_string())];
        store.commit(Txn { ops, ..Txn::default() }).await.unwrap();
    }
    let together =
        vec![put("x", "1"), put("y", "1"), Op::Delete { key: "/registry/configmaps/ns/k3".into() }];
    store.commit(Txn { ops: together, ..Txn::default() }).await.unwrap();
    let gone = vec![Op::Delete { key: "/registry/configmaps/ns/k4".into() }];
    store.commit(Txn { ops: gone, ..Txn::default() }).await.unwrap();
    let dump = Dump::of(&store).await.unwrap();
    store.close().await.unwrap();
    dump
}

#[tokio::test]
async fn every_revision_is_kept_both_ways() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let dump = past(&folder.path().join("from")).await;
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        store.fill(&dump, |_| ()).await.unwrap();
        let there = Dump::of(&store).await.unwrap();
        assert_eq!(there, dump);
        store.fill(&dump, |_| ()).await.unwrap();

        let back = Options::new(folder.path().join("back"));
        Embedded::fill(&back, &there).unwrap();
        let store = Embedded::open(back).unwrap();
        assert_eq!(Dump::of(&store).await.unwrap().digest(), dump.digest());
        let next = Txn { ops: vec![put("next", "1")], ..Txn::default() };
        store.commit(next).await.unwrap();
        assert_eq!(store.current_revision(), dump.revision.next());
        let seen = dump.kvs.first().unwrap();
        let changed =
            store.commit(Txn::update(seen.key.clone(), seen.mod_revision, Bytes::new())).await.unwrap();
        assert!(matches!(changed, portcullis_storage::CommitOutcome::Committed { .. }));
    }
}

#[tokio::test]
async fn an_interrupted_move_goes_on_and_other_data_is_refused() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let dump = past(&folder.path().join("from")).await;
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        // Cut off in the middle: the future is dropped when the third key is told of.
        let mut told = 0;
        let filling = std::panic::AssertUnwindSafe(store.fill(&dump, |_| {
            told += 1;
            assert!(told < 3, "cut off on purpose");
        }));
        assert!(futures::FutureExt::catch_unwind(filling).await.is_err());
        let other = Dump { revision: dump.revision.next(), ..dump.clone() };
        let refused = store.fill(&other, |_| ()).await;
        assert!(
            matches!(&refused, Err(StoreError::Occupied(why)) if why.contains("other data")),
            "{refused:?}"
        );
        store.fill(&dump, |_| ()).await.unwrap();
        assert_eq!(Dump::of(&store).await.unwrap(), dump);

        let full = Options::new(folder.path().join("from"));
        let refused = Embedded::fill(&full, &dump);
        assert!(
            matches!(&refused, Err(StoreError::Occupied(why)) if why.contains("other data")),
            "{refused:?}"
        );
    }
}
