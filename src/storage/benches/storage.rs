//! What a commit, a list and a watch event cost, on objects of about 1 KiB.
//!
//! Beside criterion's wall times this prints the CPU time of a commit under 64 writers, since most of
//! a commit's wall time is the disk's.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail, and reports what it measured"
)]

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_storage::{
    Caches, Embedded, EventType, FrameKey, Key, NoFields, Op, Options, Resource, ResourceCache, Store, Txn,
    WatchStart, keys,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Rig {
    folder: TempDir,
    store: Arc<Embedded>,
    _caches: Caches,
    maps: Arc<ResourceCache>,
    runtime: Runtime,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(Options::new(folder.path().join("store.redb"))).unwrap());
        let caches = Caches::new(store.clone()).unwrap();
        let maps = caches.resource(Resource::new(keys::resource_prefix("configmaps"), NoFields));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(maps.ready()).unwrap();
        Self { folder, store, _caches: caches, maps, runtime }
    }

    fn filled(count: usize) -> Self {
        let rig = Self::new();
        for first in (0..count).step_by(500) {
            let ops = (first..(first + 500).min(count)).map(put).collect();
            rig.runtime.block_on(rig.store.commit(Txn { ops, ..Txn::default() })).unwrap();
        }
        rig
    }

    /// Commits `count` transactions from 64 tasks.
    fn write(&self, count: usize, txn: impl Fn(usize) -> Txn + Send + Sync + Copy + 'static) {
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let store = self.store.clone();
                self.runtime.spawn(async move {
                    for number in (task..count).step_by(64) {
                        store.commit(txn(number)).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            self.runtime.block_on(task).unwrap();
        }
    }
}

fn key(number: usize) -> Key {
    keys::namespaced(&keys::resource_prefix("configmaps"), "bench", &format!("map-{:05}", number))
}

fn put(number: usize) -> Op {
    let (name, data) = (format!("map-{number:05}"), "x".repeat(700));
    let value = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"bench","uid":"1f0c2b9e-8f0e-4f6e-9b3c-{number:012}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"web","shard":"{}"}},"managedFields":[{{"manager":"bench","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{".":{{}},"f:key":{{}}}}}}}}]}},"data":{{"key":"{data}"}}}}"#,
        number % 100
    );
    Op::Put { key: key(number), value: value.into(), ttl: None }
}

fn create(number: usize) -> Txn {
    let guards =
        vec![portcullis_storage::Guard { key: key(number), expect: portcullis_storage::Expect::Absent }];
    Txn { guards, ops: vec![put(number)], outbox: Some(Bytes::from(vec![b'a'; 400])) }
}

fn update(number: usize) -> Txn {
    // Neighbours in time are far apart in the key space.
    let ops = vec![put(number.wrapping_mul(7919) % 10_000)];
    Txn { ops, outbox: Some(Bytes::from(vec![b'a'; 400])), guards: Vec::new() }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / 1048576.0
}

fn report(what: &str, count: usize, work: impl FnOnce()) {
    let (cpu, wall) = (cpu_time(), Instant::now());
    work();
    let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
    let n = u32::try_from(count).unwrap();
    println!(
        "{what}: {:?} CPU, {:?} wall each, {:.0} a second",
        cpu / n,
        wall / n,
        f64::from(n) / wall.as_secs_f64()
    );
}

fn commits(_: &mut Criterion) {
    let before = resident_mib();
    let rig = Rig::new();
    println!("idle store: {:.1} MiB resident beyond {before:.1}", resident_mib() - before);
    report("create, 64 writers, observed by the cache", 10_000, || rig.write(10_000, create));
    println!("10,000 objects in store and cache: {:.1} MiB resident", resident_mib() - before);
    report("update, 64 writers, observed by the cache", 20_000, || rig.write(20_000, update));
    report("create, 1 writer", 500, || {
        rig.runtime.block_on(async {
            for number in 20_000..20_500 {
                rig.store.commit(create(number)).await.unwrap();
            }
        });
    });
    println!("after updates: {:.1} MiB resident", resident_mib() - before);
    let size = std::fs::metadata(rig.folder.path().join("store.redb")).unwrap().len();
    println!("file: {:.1} MiB", size as f64 / 1048576.0);
}

fn opening(_: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Embedded::open(Options::new(&path)).unwrap();
    for first in (0..100_000).step_by(1000) {
        let ops = (first..first + 1000).map(put).collect();
        runtime.block_on(store.commit(Txn { ops, ..Txn::default() })).unwrap();
    }
    drop(store);
    let start = Instant::now();
    let store: Arc<Embedded> = Arc::new(Embedded::open(Options::new(&path)).unwrap());
    println!("open a store of 100,000 objects: {:?}", start.elapsed());
    let caches = Caches::new(store).unwrap();
    let maps = caches.resource(Resource::new(keys::resource_prefix("configmaps"), NoFields));
    runtime.block_on(maps.ready()).unwrap();
    println!("and load its cache: {:?}", start.elapsed());
}

fn reads(criterion: &mut Criterion) {
    let rig = Rig::filled(10_000);
    let wanted = key(4321);
    criterion.bench_function("get", |bencher| {
        bencher.to_async(&rig.runtime).iter(|| async { black_box(rig.maps.get(&wanted).await.unwrap()) });
    });
    criterion.bench_function("list 10,000", |bencher| {
        bencher.to_async(&rig.runtime).iter(|| async {
            let snapshot = rig.maps.snapshot().await.unwrap();
            let mut frame = Vec::with_capacity(1 << 20);
            for entry in snapshot.iter() {
                if frame.len() > 1 << 20 {
                    frame.clear();
                }
                frame.extend_from_slice(entry.body());
            }
            black_box(frame.len())
        });
    });
    criterion.bench_function("select 100 of 10,000 by label", |bencher| {
        bencher.to_async(&rig.runtime).iter(|| async {
            let snapshot = rig.maps.snapshot().await.unwrap();
            let found = snapshot.iter().filter(|entry| entry.labels().get("shard") == Some("7")).count();
            assert_eq!(found, 100);
        });
    });
}

fn fan_out(_: &mut Criterion) {
    const WATCHERS: usize = 200;
    const EVENTS: usize = 2_000;
    let rig = Rig::filled(1_000);
    let tasks: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let mut watcher = rig.runtime.block_on(rig.maps.watch(WatchStart::Initial)).unwrap();
            watcher.take_initial();
            rig.runtime.spawn(async move {
                let (mut seen, mut bytes) = (0, 0);
                while seen < EVENTS {
                    let events = watcher.next_batch().await.unwrap();
                    seen += events.len();
                    let form = FrameKey { shown_as: EventType::Modified, form: 0 };
                    for event in &events {
                        let made = event.frame(form, |e| Ok::<_, Infallible>(e.entry.body().clone()));
                        bytes += made.unwrap().len();
                    }
                }
                bytes
            })
        })
        .collect();
    report("event to one of 200 watchers, its commit included", EVENTS * WATCHERS, || {
        rig.write(EVENTS, |number| Txn { ops: vec![put(number % 1000)], ..Txn::default() });
        for task in tasks {
            rig.runtime.block_on(task).unwrap();
        }
    });
}

criterion_group!(benches, commits, fan_out, reads, opening);
criterion_main!(benches);
