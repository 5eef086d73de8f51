//! Moving a store to etcd and back.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use portcullis_storage::{
    DumpFile, Embedded, EtcdOptions, Op, Options, Saving, Store, StoreError, Summary, Txn, summary,
};

use crate::members::{Cluster, binaries};

fn put(name: &str, value: &str) -> Op {
    let key = format!("/registry/configmaps/ns/{name}").into();
    Op::Put { key, value: Bytes::copy_from_slice(value.as_bytes()), ttl: None }
}

/// A store with a past, as a file: keys written again, deleted, written together.
async fn past(path: &Path, further: usize) -> DumpFile {
    let store = Embedded::open(Options::new(path)).unwrap();
    for round in 0..40 {
        let ops = vec![put(&format!("k{}", round % 7), &round.to_string())];
        store.commit(Txn { ops, ..Txn::default() }).await.unwrap();
    }
    for number in 0..further {
        let ops = vec![put(&format!("further{number}"), "1")];
        store.commit(Txn { ops, ..Txn::default() }).await.unwrap();
    }
    let together =
        vec![put("x", "1"), put("y", "1"), Op::Delete { key: "/registry/configmaps/ns/k3".into() }];
    store.commit(Txn { ops: together, ..Txn::default() }).await.unwrap();
    let gone = vec![Op::Delete { key: "/registry/configmaps/ns/k4".into() }];
    store.commit(Txn { ops: gone, ..Txn::default() }).await.unwrap();
    let dump = dump(&store, &path.with_extension("dump")).await;
    store.close().await.unwrap();
    dump
}

async fn dump(store: &dyn Store, path: &Path) -> DumpFile {
    let (mut out, mut saving) = (Vec::new(), Saving::of(store));
    while let Some(piece) = saving.next().await.unwrap() {
        out.extend_from_slice(&piece);
    }
    std::fs::write(path, out).unwrap();
    DumpFile::open(path).unwrap()
}

async fn held(store: &dyn Store) -> Summary {
    summary(store).await.unwrap()
}

#[tokio::test]
async fn every_revision_is_kept_both_ways() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let dump_of_it = past(&folder.path().join("from"), 0).await;
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        store.fill(&dump_of_it, |_| ()).await.unwrap();
        let there = dump(&store, &folder.path().join("there.dump")).await;
        assert_eq!(there.summary(), dump_of_it.summary());
        store.fill(&dump_of_it, |_| ()).await.unwrap();

        let back = Options::new(folder.path().join("back"));
        Embedded::fill(&back, &there).unwrap();
        let store = Embedded::open(back).unwrap();
        assert_eq!(held(&store).await, *dump_of_it.summary());
        let next = Txn { ops: vec![put("next", "1")], ..Txn::default() };
        store.commit(next).await.unwrap();
        assert_eq!(store.current_revision(), dump_of_it.summary().revision.next());
        let seen = store.get("/registry/configmaps/ns/x", None).await.unwrap().unwrap();
        let changed =
            store.commit(Txn::update(seen.key.clone(), seen.mod_revision, Bytes::new())).await.unwrap();
        assert!(matches!(changed, portcullis_storage::CommitOutcome::Committed { .. }));
    }
}

#[tokio::test]
async fn an_interrupted_move_goes_on_and_other_data_is_refused() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let dump = past(&folder.path().join("from"), 0).await;
        let other = past(&folder.path().join("other"), 1).await;
        let etcd = Cluster::start(&binary, 1, &[]);
        let store = etcd.open().await;
        // Cut off in the middle: the future is dropped when the third key is told of.
        let mut told = 0;
        let filling = std::panic::AssertUnwindSafe(store.fill(&dump, |_| {
            told += 1;
            assert!(told < 3, "cut off on purpose");
        }));
        assert!(futures::FutureExt::catch_unwind(filling).await.is_err());
        let refused = store.fill(&other, |_| ()).await;
        assert!(
            matches!(&refused, Err(StoreError::Occupied(why)) if why.contains("other data")),
            "{refused:?}"
        );
        store.fill(&dump, |_| ()).await.unwrap();
        assert_eq!(held(&store).await, *dump.summary());

        let full = Options::new(folder.path().join("from"));
        let refused = Embedded::fill(&full, &dump);
        assert!(
            matches!(&refused, Err(StoreError::Occupied(why)) if why.contains("other data")),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_after_etcd_was_killed_in_its_middle() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let dump = past(&folder.path().join("from"), 400).await;
        let mut etcd = Cluster::start(&binary, 1, &[]);
        let quick = EtcdOptions { timeout: Duration::from_secs(2), ..etcd.options() };
        for cut in [50, 170, 333] {
            let store = etcd.open_with(quick.clone()).await;
            let mut killed = false;
            let filled = store.fill(&dump, |revision| {
                if revision.0 > cut && !killed {
                    killed = true;
                    etcd.kill(0);
                }
            });
            assert!(filled.await.is_err() && killed, "killed at {cut}");
            etcd.restart(0);
        }
        let store = etcd.open().await;
        store.fill(&dump, |_| ()).await.unwrap();
        assert_eq!(held(&store).await, *dump.summary());
    }
}
