//! One watch a kind, of metadata only, into the graph.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use parking_lot::{Mutex, RwLock};
use portcullis_client::Queue;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::graph::{Graph, Item, Job, Kind, Uid};
use super::kinds::Kinds;

/// How often the server is asked for kinds that are new or gone.
const AGAIN: Duration = Duration::from_secs(30);

/// What watches tell, and where that goes.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) graph: Arc<Mutex<Graph>>,
    pub(super) queue: Arc<Queue<Job>>,
    pub(super) kinds: Arc<RwLock<Arc<Kinds>>>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { graph: Arc::default(), queue: Queue::new(), kinds: Arc::default() }
    }

    fn change(&self, change: impl FnOnce(&mut Graph) -> BTreeSet<Job>) {
        let jobs = change(&mut self.graph.lock());
        jobs.into_iter().for_each(|job| self.queue.add(job));
    }
}

/// The running watches.
pub(super) struct Monitors {
    client: Client,
    seen: Seen,
    running: HashMap<Kind, Monitor>,
}

struct Monitor {
    synced: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Monitors {
    pub(super) fn new(client: Client, seen: Seen) -> Self {
        Self { client, seen, running: HashMap::new() }
    }

    /// Starts watches of kinds that are new, and ends those of kinds that are gone.
    pub(super) async fn refresh(&mut self) {
        let kinds = Arc::new(Kinds::discover(&self.client).await);
        if !kinds.partial {
            self.running.retain(|kind, _| kinds.watched.contains(kind));
        }
        for kind in &kinds.watched {
            if !self.running.contains_key(kind) {
                self.running.insert(kind.clone(), self.start(kind));
            }
        }
        *self.seen.kinds.write() = kinds;
    }

    /// Waits until every watch has told what there is.
    pub(super) async fn synced(&self) {
        for monitor in self.running.values() {
            // A watch that ended cannot be waited for.
            let _ = monitor.synced.clone().wait_for(|synced| *synced).await;
        }
    }

    /// Keeps up with the server for ever.
    pub(super) async fn keep_up(mut self) {
        loop {
            tokio::time::sleep(AGAIN).await;
            self.refresh().await;
        }
    }

    fn start(&self, kind: &Kind) -> Monitor {
        let (tell, synced) = watch::channel(false);
        let follow = follow(kind.clone(), self.client.clone(), self.seen.clone(), tell);
        Monitor { synced, _task: AbortOnDropHandle::new(tokio::spawn(follow)) }
    }
}

async fn follow(kind: Kind, client: Client, seen: Seen, synced: watch::Sender<bool>) {
    let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(client, &kind);
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut listed: HashSet<Uid> = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                let Some(item) = Item::seen(&kind, object.metadata) else { continue };
                listed.insert(item.uid.clone());
                seen.change(|graph| graph.observe(item));
            }
            Ok(Event::InitDone) => {
                seen.change(|graph| graph.forget_all_but(&kind, &listed));
                listed = HashSet::new();
                synced.send_replace(true);
            }
            Ok(Event::Apply(object)) => {
                let Some(item) = Item::seen(&kind, object.metadata) else { continue };
                seen.change(|graph| graph.observe(item));
            }
            Ok(Event::Delete(object)) => {
                let uid = object.metadata.uid.unwrap_or_default();
                seen.change(|graph| graph.forget(&uid));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(kind = kind.kind, group = kind.group, error, "A watch failed");
            }
        }
    }
}
