//! The metadata of everything: one watch a kind, of all kinds that come and go, for whoever listens.
//!
//! The kinds are what the server says it serves, asked again every half minute.

mod kinds;

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use kinds::{Kind, Kinds};

/// How often the server is asked for kinds that are new or gone.
const AGAIN: Duration = Duration::from_secs(30);
/// How long everything counts as not yet listed on account of kinds that cannot be listed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is told of every object.
pub(crate) trait Listener: Send + Sync + 'static {
    /// An object is there, new or changed.
    fn seen(&self, kind: &Kind, metadata: &ObjectMeta);
    /// An object is gone.
    fn gone(&self, kind: &Kind, metadata: &ObjectMeta);
    /// Of a kind there are these UIDs and no others.
    fn listed(&self, kind: &Kind, uids: &HashSet<String>);
}

/// All kinds, and who listens to what becomes of their objects.
pub(crate) struct Everything {
    listeners: Vec<Arc<dyn Listener>>,
    kinds: RwLock<Arc<Kinds>>,
    synced: watch::Sender<bool>,
}

impl Everything {
    pub(crate) fn new(listeners: Vec<Arc<dyn Listener>>) -> Arc<Self> {
        Arc::new(Self { listeners, kinds: RwLock::default(), synced: watch::Sender::new(false) })
    }

    /// The kinds that are served.
    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        self.kinds.read().clone()
    }

    /// Waits until the listeners were told of all there is.
    pub(crate) async fn synced(&self) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Watches for ever.
    pub(crate) async fn run(self: Arc<Self>, client: Client) {
        let mut watches = Watches { everything: self.clone(), client, running: HashMap::new() };
        watches.refresh().await;
        if tokio::time::timeout(PATIENCE, watches.listed()).await.is_err() {
            tracing::warn!("Not every kind could be listed");
        }
        self.synced.send_replace(true);
        loop {
            tokio::time::sleep(AGAIN).await;
            watches.refresh().await;
        }
    }

    fn tell(&self, tell: impl Fn(&dyn Listener)) {
        self.listeners.iter().for_each(|listener| tell(&**listener));
    }
}

/// The running watches.
struct Watches {
    everything: Arc<Everything>,
    client: Client,
    running: HashMap<Kind, Running>,
}

struct Running {
    listed: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Watches {
    /// Starts watches of kinds that are new, and ends those of kinds that are gone.
    async fn refresh(&mut self) {
        let kinds = Arc::new(Kinds::discover(&self.client).await);
        if !kinds.partial {
            self.running.retain(|kind, _| kinds.watched.contains(kind));
        }
        for kind in &kinds.watched {
            if !self.running.contains_key(kind) {
                self.running.insert(kind.clone(), self.start(kind));
            }
        }
        *self.everything.kinds.write() = kinds;
    }

    /// Waits until every watch has told what there is.
    async fn listed(&self) {
        for running in self.running.values() {
            // A watch that ended cannot be waited for.
            let _ = running.listed.clone().wait_for(|listed| *listed).await;
        }
    }

    fn start(&self, kind: &Kind) -> Running {
        let (tell, listed) = watch::channel(false);
        let follow = follow(kind.clone(), self.client.clone(), self.everything.clone(), tell);
        Running { listed, _task: AbortOnDropHandle::new(tokio::spawn(follow)) }
    }
}

async fn follow(kind: Kind, client: Client, everything: Arc<Everything>, told: watch::Sender<bool>) {
    let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(client, &kind);
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.extend(object.metadata.uid.clone());
                everything.tell(|listener| listener.seen(&kind, &object.metadata));
            }
            Ok(Event::InitDone) => {
                everything.tell(|listener| listener.listed(&kind, &listed));
                listed = HashSet::new();
                told.send_replace(true);
            }
            Ok(Event::Apply(object)) => everything.tell(|listener| listener.seen(&kind, &object.metadata)),
            Ok(Event::Delete(object)) => everything.tell(|listener| listener.gone(&kind, &object.metadata)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(kind = kind.kind, group = kind.group, error, "A watch failed");
            }
        }
    }
}
