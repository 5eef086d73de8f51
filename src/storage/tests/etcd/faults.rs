//! What the network and etcd itself do to a store: slow, silent and cut connections, changes that were compacted
//! meanwhile, no space.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_storage::{
    Caches, CommitOutcome, Etcd, EtcdOptions, Key, NoFields, Resource, Revision, Store, StoreError, Txn,
    WatchError, WatchStart,
};

use crate::members::{Cluster, binaries};
use crate::proxy::{Mode, Proxy};

/// How long a call may take here.
const TIMEOUT: Duration = Duration::from_secs(2);

fn key(name: &str) -> Key {
    format!("/registry/configmaps/ns/{name}").into()
}

fn object(name: &str) -> Bytes {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#).into()
}

async fn create(store: &Etcd, name: &str) -> Result<Revision, StoreError> {
    match store.commit(Txn::create(key(name), object(name))).await? {
        CommitOutcome::Committed { revision, .. } => Ok(revision),
        conflict @ CommitOutcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

/// A proxy before every member.
fn proxies(etcd: &Cluster) -> Vec<Proxy> {
    etcd.ports().map(Proxy::start).collect()
}

async fn behind(etcd: &Cluster, proxies: &[Proxy]) -> Arc<Etcd> {
    let endpoints = proxies.iter().map(Proxy::url).collect();
    Arc::new(etcd.open_with(EtcdOptions { endpoints, timeout: TIMEOUT, ..etcd.options() }).await)
}

async fn in_use_again(store: &Etcd) {
    let again = async {
        while store.fresh().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_etcd_is_waited_for_and_asked_once_by_many() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let proxies = proxies(&etcd);
        let store = behind(&etcd, &proxies).await;
        proxies[0].set(Mode::Slow(Duration::from_millis(100)));
        let caches = Caches::new(store.clone()).unwrap();
        let cache = caches.resource(Resource::new("/registry/configmaps/", NoFields));
        cache.ready().await.unwrap();
        let made = create(&store, "a").await.unwrap();
        let before = etcd.calls("Range");
        let asking = (0..200).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.fresh().await.unwrap() })
        });
        for seen in futures::future::join_all(asking).await {
            assert!(seen.unwrap() >= made);
        }
        assert!(cache.peek(&key("a")).unwrap().is_some());
        // One question is under way, and the next answers all who came meanwhile.
        let asked = etcd.calls("Range") - before;
        assert!(asked < 20, "asked {asked} times for 200");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_etcd_is_told_of_in_time_and_nothing_is_lost_when_it_speaks_again() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let proxies = proxies(&etcd);
        let (store, beside) = (behind(&etcd, &proxies).await, etcd.open().await);
        let caches = Caches::new(store.clone()).unwrap();
        let cache = caches.resource(Resource::new("/registry/configmaps/", NoFields));
        let mut watcher = cache.watch(WatchStart::Initial).await.unwrap();
        create(&store, "before").await.unwrap();

        proxies[0].set(Mode::Silent);
        let read = store.fresh().await;
        assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
        let written = create(&store, "doubtful").await;
        assert!(matches!(written, Err(StoreError::Unknown { .. })), "it was sent: {written:?}");
        let meanwhile = create(&beside, "meanwhile").await.unwrap();

        proxies[0].set(Mode::Open);
        in_use_again(&store).await;
        assert!(store.current_revision() >= meanwhile);
        assert!(cache.peek(&key("meanwhile")).unwrap().is_some());
        let doubtful = beside.get(&key("doubtful"), None).await.unwrap().is_some();
        assert_eq!(cache.peek(&key("doubtful")).unwrap().is_some(), doubtful);
        let mut shown = Vec::new();
        while shown.len() < 2 + usize::from(doubtful) {
            let events = watcher.next_batch().await.unwrap();
            shown.extend(events.iter().map(|event| event.entry.name().to_owned()));
        }
        shown.sort();
        let wanted = ["before", "doubtful", "meanwhile"];
        assert!(wanted.iter().filter(|name| doubtful || **name != "doubtful").eq(shown.iter()), "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_falls_silent_is_left_for_another() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 3, &[]);
        let proxies = proxies(&etcd);
        let store = behind(&etcd, &proxies).await;
        create(&store, "first").await.unwrap();
        for (at, proxy) in proxies.iter().enumerate() {
            proxy.set(Mode::Silent);
            in_use_again(&store).await;
            let name = format!("without{at}");
            // The answer to a write may be lost with its member; the next one comes through.
            while create(&store, &name).await.is_err() {
                if store.get(&key(&name), None).await.unwrap().is_some() {
                    break;
                }
            }
            assert!(store.get(&key(&name), None).await.unwrap().is_some());
            proxy.set(Mode::Open);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_were_compacted_while_it_was_cut_off_end_watches_and_are_read_again() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let proxies = proxies(&etcd);
        let (store, beside) = (behind(&etcd, &proxies).await, etcd.open().await);
        let caches = Caches::new(store.clone()).unwrap();
        let cache = caches.resource(Resource::new("/registry/configmaps/", NoFields));
        let goes = create(&store, "goes").await.unwrap();
        let mut watcher = cache.watch(WatchStart::Initial).await.unwrap();
        watcher.take_initial();

        proxies[0].set(Mode::Cut);
        beside.commit(Txn::delete(key("goes"), goes)).await.unwrap();
        let last = create(&beside, "comes").await.unwrap();
        beside.compact(last).await.unwrap();
        proxies[0].set(Mode::Open);

        in_use_again(&store).await;
        assert!(cache.peek(&key("goes")).unwrap().is_none());
        assert!(cache.peek(&key("comes")).unwrap().is_some());
        let told = tokio::time::timeout(Duration::from_secs(30), watcher.next_batch()).await;
        assert!(matches!(told, Ok(Err(WatchError::Expired { .. }))), "{told:?}");
        let next = create(&store, "next").await.unwrap();
        assert_eq!(cache.peek(&key("next")).unwrap().unwrap().revision(), next);
    }
}

#[tokio::test]
async fn room_that_was_made_is_used_again() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &["--quota-backend-bytes", "2000000"]);
        let store = etcd.open().await;
        // One key, written again and again: its past takes the room.
        let large = || Bytes::from(vec![b'x'; 200_000]);
        let mut seen = create(&store, "large").await.unwrap();
        let full = loop {
            match store.commit(Txn::update(key("large"), seen, large())).await {
                Ok(CommitOutcome::Committed { revision, .. }) => seen = revision,
                Ok(conflict) => panic!("{conflict:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, StoreError::DiskFull(_)), "{full:?}");
        assert_eq!(store.get(&key("large"), None).await.unwrap().unwrap().value, large());
        store.compact(store.fresh().await.unwrap()).await.unwrap();
        let room = async {
            // etcd forgets in the background, so the first attempt may be too early.
            loop {
                etcd.gateway("/v3/maintenance/defragment", "{}");
                etcd.disarm();
                match create(&store, "again").await {
                    Ok(_) => return,
                    Err(error) => assert!(matches!(error, StoreError::DiskFull(_)), "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), room).await.expect("there is room again");
    }
}
