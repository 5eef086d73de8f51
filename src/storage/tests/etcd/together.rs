//! Several servers on one etcd, some of whose members are killed.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_storage::{CommitOutcome, Etcd, EtcdOptions, Key, Revision, Store, StoreError, Txn};

use crate::members::{Cluster, binaries};

fn counter() -> Key {
    "/registry/configmaps/ns/counter".into()
}

fn value(number: u64) -> Bytes {
    number.to_string().into()
}

async fn read(store: &Etcd) -> Option<(Revision, u64)> {
    let found = store.get(&counter(), None).await.ok().flatten()?;
    Some((found.mod_revision, String::from_utf8(found.value.to_vec()).unwrap().parse().unwrap()))
}

/// Adds one until it worked `times` times; writes of unknown outcome are counted apart.
async fn add(store: Arc<Etcd>, times: u64) -> (u64, u64) {
    let (mut done, mut unknown) = (0, 0);
    while done < times {
        let Some((seen, number)) = read(&store).await else {
            tokio::task::yield_now().await;
            continue;
        };
        match store.commit(Txn::update(counter(), seen, value(number + 1))).await {
            Ok(CommitOutcome::Committed { .. }) => done += 1,
            Ok(CommitOutcome::Conflict { .. }) | Err(StoreError::Unavailable { .. }) => {}
            Err(StoreError::Unknown { .. }) => unknown += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (done, unknown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_between_servers() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let stores = [Arc::new(etcd.open().await), Arc::new(etcd.open().await), Arc::new(etcd.open().await)];
        stores[0].commit(Txn::create(counter(), value(0))).await.unwrap();
        let adding = stores.iter().map(|store| tokio::spawn(add(store.clone(), 40))).collect::<Vec<_>>();
        futures::future::try_join_all(adding).await.unwrap();
        assert_eq!(read(&stores[0]).await.unwrap().1, 120);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_three_serves_on_while_members_die() {
    for binary in binaries() {
        let mut etcd = Cluster::start(&binary, 3, &[]);
        let stores = [Arc::new(etcd.open().await), Arc::new(etcd.open().await)];
        stores[0].commit(Txn::create(counter(), value(0))).await.unwrap();
        let mut sum = (0, 0);
        for victim in 0..3 {
            let adding = stores.iter().map(|store| tokio::spawn(add(store.clone(), 25))).collect::<Vec<_>>();
            etcd.kill(victim);
            for (done, unknown) in futures::future::try_join_all(adding).await.unwrap() {
                sum = (sum.0 + done, sum.1 + unknown);
            }
            etcd.restart(victim);
        }
        let end = read(&stores[1]).await.unwrap().1;
        assert!((sum.0..=sum.0 + sum.1).contains(&end), "{end} after {sum:?}");
        let revision = stores[0].fresh().await.unwrap();
        assert!(stores[1].fresh().await.unwrap() >= revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_read_or_written_and_then_all_goes_on() {
    for binary in binaries() {
        let mut etcd = Cluster::start(&binary, 3, &[]);
        let timeout = std::time::Duration::from_secs(2);
        let store = etcd.open_with(EtcdOptions { timeout, ..etcd.options() }).await;
        store.commit(Txn::create(counter(), value(0))).await.unwrap();
        etcd.kill(0);
        etcd.kill(1);
        let read = store.fresh().await;
        assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
        let written = store.commit(Txn::create("/registry/configmaps/ns/other".into(), value(0))).await;
        let refused = matches!(written, Err(StoreError::Unknown { .. } | StoreError::Unavailable { .. }));
        assert!(refused, "{written:?}");
        etcd.restart(0);
        while store.fresh().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(store.get(&counter(), None).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_etcd_out_of_space_is_named_and_still_read() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &["--quota-backend-bytes", "1000000"]);
        let store = etcd.open().await;
        store.commit(Txn::create(counter(), value(7))).await.unwrap();
        let mut refused = None;
        for number in 0..100 {
            let large = Bytes::from(vec![b'x'; 200_000]);
            let txn = Txn::create(format!("/registry/configmaps/ns/l{number}").into(), large);
            if let Err(error) = store.commit(txn).await {
                refused = Some(error);
                break;
            }
        }
        assert!(matches!(refused, Some(StoreError::DiskFull(_))), "{refused:?}");
        assert_eq!(read(&store).await.unwrap().1, 7);
        store.fresh().await.unwrap();
    }
}
