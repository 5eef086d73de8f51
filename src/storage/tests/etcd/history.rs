//! Clients on two servers read and write some keys at once: what they were told must be explained by one order
//! of the writes ([`order`]), and a watch must be that order: its fold is what the store holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use portcullis_storage::{
    Caches, CommitOutcome, Embedded, EventType, Expect, Guard, Key, NoFields, Op, Options, Range, Resource,
    Revision, Store, Txn, WatchStart,
};
use rand::{Rng as _, SeedableRng as _};

use crate::members::{Cluster, binaries};
use crate::order::{Done, What, check};

const PREFIX: &str = "/registry/configmaps/";
const KEYS: u32 = 4;
const CLIENTS: u64 = 6;

/// Operations of one client; `PORTCULLIS_HISTORY=10000` for a long run.
fn length() -> usize {
    std::env::var("PORTCULLIS_HISTORY").map_or(60, |text| text.parse().expect("a number"))
}

async fn client(store: Arc<dyn Store>, caches: Arc<Caches>, clock: Arc<AtomicU64>, seed: u64) -> Vec<Done> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let cache = caches.resource(Resource::new(PREFIX, NoFields));
    let mut done = Vec::new();
    for step in 0..length() {
        let key: Key = format!("{PREFIX}ns/{}", rng.random_range(0..KEYS)).into();
        let begun = clock.fetch_add(1, Ordering::SeqCst);
        let what = if rng.random_bool(0.5) {
            store.fresh().await.unwrap();
            let entry = cache.peek(&key).expect("loaded");
            What::Read { value: entry.map(|entry| tag(entry.body())) }
        } else {
            let value = rng.random_bool(0.8).then(|| object(&format!("{seed}-{step}")));
            let op = match &value {
                Some(value) => Op::Put { key: key.clone(), value: value.clone(), ttl: None },
                None => Op::Delete { key: key.clone() },
            };
            let expect = if value.is_some() { Expect::Any } else { Expect::Present };
            let txn = Txn { guards: vec![Guard { key: key.clone(), expect }], ops: vec![op], outbox: None };
            match store.commit(txn).await.unwrap() {
                CommitOutcome::Committed { revision, .. } => {
                    What::Wrote { revision: revision.0, value: value.map(|value| tag(&value)) }
                }
                CommitOutcome::Conflict { .. } => continue,
            }
        };
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        done.push(Done { begun, ended, key: key.to_string(), what });
    }
    done
}

fn object(tag: &str) -> Bytes {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"x"}},"data":{{"tag":"{tag}"}}}}"#)
        .into()
}

/// What tells one write from another.
fn tag(body: &[u8]) -> String {
    let object: serde_json::Value = serde_json::from_slice(body).unwrap();
    object["data"]["tag"].as_str().unwrap().to_owned()
}

/// Runs clients on some servers of one store, then checks what they saw.
async fn run(stores: Vec<Arc<dyn Store>>) {
    let start = stores[0].fresh().await.unwrap();
    let clock = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    let mut watchers = Vec::new();
    for (at, store) in stores.iter().enumerate() {
        let caches = Arc::new(Caches::new(store.clone()).unwrap());
        let cache = caches.resource(Resource::new(PREFIX, NoFields));
        watchers.push((cache.watch(WatchStart::Initial).await.unwrap(), caches.clone()));
        for client_of in 0..CLIENTS / 2 {
            let seed = client_of * 10 + at as u64;
            clients.push(tokio::spawn(client(store.clone(), caches.clone(), clock.clone(), seed)));
        }
    }
    let history: Vec<Done> =
        futures::future::try_join_all(clients).await.unwrap().into_iter().flatten().collect();
    check(&history, start.0);

    let end = stores[0].fresh().await.unwrap();
    let held = stores[0].range(Range::prefix(PREFIX)).await.unwrap();
    let held: BTreeMap<Key, String> = held.kvs.into_iter().map(|kv| (kv.key, tag(&kv.value))).collect();
    let last = history.iter().filter_map(Done::wrote).max().map_or(end, Revision);
    for (mut watcher, caches) in watchers {
        caches.store().wait_until(end).await.unwrap();
        let mut fold: BTreeMap<Key, String> = BTreeMap::new();
        let mut seen = start;
        while seen < last {
            for event in watcher.next_batch().await.unwrap() {
                assert!(event.revision > seen, "events in revision order");
                seen = event.revision;
                let key = event.entry.key().clone();
                match event.event_type {
                    EventType::Deleted => fold.remove(&key),
                    EventType::Added | EventType::Modified => fold.insert(key, tag(event.entry.body())),
                };
            }
        }
        assert_eq!(fold, held, "the fold of the watch is what is held");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_writes_on_two_servers_have_one_order() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        run(vec![Arc::new(etcd.open().await), Arc::new(etcd.open().await)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_writes_of_the_embedded_store_have_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(Embedded::open(Options::new(folder.path().join("store.redb"))).unwrap());
    run(vec![store.clone(), store]).await;
}
