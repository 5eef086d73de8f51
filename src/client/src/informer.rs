//! List and watch of one kind into a store that many parts share.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt as _};
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::queue::{Queue, QueueKey};

/// A kind that can be kept in an informer's store.
pub trait Kept:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static
{
}

impl<K> Kept for K where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static
{
}

/// Which object of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace, if the kind has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Key {
    /// An object of the whole cluster.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { namespace: None, name: name.into() }
    }

    /// An object in a namespace.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), name: name.into() }
    }

    fn of<K: Kept>(object: &K) -> Self {
        Self { namespace: object.namespace(), name: object.name_any() }
    }
}

/// What became of an object.
#[derive(Debug)]
pub enum Change<K> {
    /// It is new, or other than before.
    Applied(Arc<K>),
    /// It is gone; this was its last state.
    Deleted(Arc<K>),
}

impl<K> Change<K> {
    /// The object's state after the change, or its last one.
    pub fn object(&self) -> &K {
        match self {
            Self::Applied(object) | Self::Deleted(object) => object,
        }
    }
}

/// Tells a subscriber of a change; `false` once the subscriber is gone.
type Tell<K> = Box<dyn Fn(&Change<K>) -> bool + Send + Sync>;

/// The objects of one kind, as last seen; field ownership is left out of them.
pub struct Informer<K> {
    objects: RwLock<BTreeMap<Key, Arc<K>>>,
    subscribers: Mutex<Vec<Tell<K>>>,
    synced: watch::Sender<bool>,
}

impl<K: Kept> Informer<K> {
    /// An informer that knows nothing until it [runs](Self::run).
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            objects: RwLock::default(),
            subscribers: Mutex::default(),
            synced: watch::Sender::new(false),
        })
    }

    /// Follows the objects for ever. Failures are logged, and tried again later.
    pub async fn run(&self, api: Api<K>, config: watcher::Config) {
        let mut events = pin!(watcher(api, config).default_backoff());
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    let object = trimmed(object);
                    listed.insert(Key::of(&object), Arc::new(object));
                }
                Ok(Event::InitDone) => {
                    self.replace(std::mem::take(&mut listed));
                    self.synced.send_replace(true);
                }
                Ok(Event::Apply(object)) => self.apply(trimmed(object)),
                Ok(Event::Delete(object)) => self.delete(trimmed(object)),
                Err(error) => {
                    let kind = K::kind(&());
                    tracing::warn!(%kind, error = &error as &dyn std::error::Error, "A watch failed");
                }
            }
        }
    }

    /// Waits until the store holds all there is.
    pub async fn synced(&self) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.objects.read().get(key).cloned()
    }

    /// All objects, by namespace and name.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.objects.read().values().cloned().collect()
    }

    /// The objects of one namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let objects = self.objects.read();
        let from = objects.range(Key::namespaced(namespace, "")..);
        let inside = from.take_while(|(key, _)| key.namespace.as_deref() == Some(namespace));
        inside.map(|(_, object)| object.clone()).collect()
    }

    /// Puts into a queue what a change makes worth looking at, for as long as the queue is held. What
    /// is already known counts as a change.
    pub fn feed<Q, I>(&self, queue: &Arc<Queue<Q>>, worth: impl Fn(&Change<K>) -> I + Send + Sync + 'static)
    where
        Q: QueueKey,
        I: IntoIterator<Item = Q>,
    {
        self.feed_with(queue, worth, Queue::add);
    }

    /// Like [`feed`](Self::feed), but what changed rests for a while before it is looked at.
    pub fn feed_after<Q, I>(
        &self,
        queue: &Arc<Queue<Q>>,
        delay: Duration,
        worth: impl Fn(&Change<K>) -> I + Send + Sync + 'static,
    ) where
        Q: QueueKey,
        I: IntoIterator<Item = Q>,
    {
        self.feed_with(queue, worth, move |queue, key| queue.add_after(key, delay));
    }

    fn feed_with<Q, I>(
        &self,
        queue: &Arc<Queue<Q>>,
        worth: impl Fn(&Change<K>) -> I + Send + Sync + 'static,
        add: impl Fn(&Queue<Q>, Q) + Send + Sync + 'static,
    ) where
        Q: QueueKey,
        I: IntoIterator<Item = Q>,
    {
        let queue: Weak<Queue<Q>> = Arc::downgrade(queue);
        self.subscribe(Box::new(move |change| {
            let Some(queue) = queue.upgrade() else { return false };
            worth(change).into_iter().for_each(|key| add(&queue, key));
            true
        }));
    }

    fn subscribe(&self, tell: Tell<K>) {
        // Held throughout, so that no change falls between the replay and the subscription.
        let mut subscribers = self.subscribers.lock();
        let known: Vec<_> = self.objects.read().values().cloned().collect();
        known.into_iter().for_each(|object| {
            tell(&Change::Applied(object));
        });
        subscribers.push(tell);
    }

    fn apply(&self, object: K) {
        let object = Arc::new(object);
        self.objects.write().insert(Key::of(&*object), object.clone());
        self.tell(&Change::Applied(object));
    }

    fn delete(&self, object: K) {
        self.objects.write().remove(&Key::of(&object));
        self.tell(&Change::Deleted(Arc::new(object)));
    }

    /// Takes a new list for the truth; only what differs is told.
    fn replace(&self, listed: BTreeMap<Key, Arc<K>>) {
        let before = std::mem::replace(&mut *self.objects.write(), listed.clone());
        for (key, object) in &before {
            if !listed.contains_key(key) {
                self.tell(&Change::Deleted(object.clone()));
            }
        }
        for (key, object) in listed {
            let known = before.get(&key).and_then(|old| old.resource_version());
            if known.is_none() || known != object.resource_version() {
                self.tell(&Change::Applied(object));
            }
        }
    }

    fn tell(&self, change: &Change<K>) {
        self.subscribers.lock().retain(|tell| tell(change));
    }
}

impl<K> fmt::Debug for Informer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informer").field("objects", &self.objects.read().len()).finish_non_exhaustive()
    }
}

fn trimmed<K: Kept>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn config_map(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.namespace = Some("ns".to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    fn listed(objects: impl IntoIterator<Item = ConfigMap>) -> BTreeMap<Key, Arc<ConfigMap>> {
        objects.into_iter().map(|object| (Key::of(&object), Arc::new(object))).collect()
    }

    /// The changes an informer told since the last look, as words.
    fn told(log: &Mutex<Vec<String>>) -> Vec<String> {
        std::mem::take(&mut *log.lock())
    }

    fn watched(informer: &Informer<ConfigMap>) -> Arc<Mutex<Vec<String>>> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = log.clone();
        informer.subscribe(Box::new(move |change| {
            let verb = if matches!(change, Change::Applied(_)) { '+' } else { '-' };
            writer.lock().push(format!("{verb}{}", change.object().name_any()));
            true
        }));
        log
    }

    #[test]
    fn a_new_list_tells_what_differs() {
        let informer = Informer::new();
        let log = watched(&informer);
        informer.replace(listed([config_map("a", "1"), config_map("b", "2")]));
        assert_eq!(told(&log), ["+a", "+b"]);
        informer.replace(listed([config_map("b", "3"), config_map("c", "4")]));
        assert_eq!(told(&log), ["-a", "+b", "+c"]);
        informer.replace(listed([config_map("b", "3"), config_map("c", "4")]));
        assert!(told(&log).is_empty());
    }

    #[test]
    fn a_late_subscriber_is_told_of_what_is_known() {
        let informer = Informer::new();
        informer.apply(config_map("a", "1"));
        let log = watched(&informer);
        assert_eq!(told(&log), ["+a"]);
        informer.delete(config_map("a", "2"));
        assert_eq!(told(&log), ["-a"]);
        assert!(informer.get(&Key::namespaced("ns", "a")).is_none());
    }

    #[test]
    fn the_objects_of_a_namespace_are_found() {
        let informer = Informer::new();
        for (namespace, name) in [("a", "z"), ("ns", "x"), ("ns", "y"), ("nt", "a")] {
            let mut object = config_map(name, "1");
            object.metadata.namespace = Some(namespace.to_owned());
            informer.apply(object);
        }
        let names: Vec<_> = informer.in_namespace("ns").iter().map(|map| map.name_any()).collect();
        assert_eq!(names, ["x", "y"]);
        assert!(informer.in_namespace("n").is_empty());
    }

    #[test]
    fn a_dropped_queue_is_forgotten() {
        let informer = Informer::<ConfigMap>::new();
        let queue = Queue::<Key>::new();
        informer.feed(&queue, |change| [Key::of(change.object())]);
        assert_eq!(informer.subscribers.lock().len(), 1);
        drop(queue);
        informer.apply(config_map("a", "1"));
        assert!(informer.subscribers.lock().is_empty());
    }
}
