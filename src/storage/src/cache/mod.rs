//! The cache every read and watch is served from.
//!
//! One [`ResourceCache`] per resource holds its objects as ready JSON bodies in an ordered persistent
//! map, so that a list is one constant-time snapshot, and its recent events in a ring. It is filled from
//! the store on first use and from then on by the store's publisher, before a commit is acknowledged:
//! who reads after a write sees the write.
//!
//! ```text
//! publisher -> Caches (by key prefix) -> ResourceCache: entries made, map and ring changed,
//!              resource observers called, watchers woken
//! ```
//!
//! Watchers keep a place in the ring and nothing else. One that falls out of the ring reads the
//! store's history until it is back in, and expires when that is compacted.

mod entry;
mod event;
mod hub;
mod live;
mod load;
mod mend;
mod objects;
mod packed;
mod peek;
mod ring;
mod snapshot;
mod triggers;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub use entry::{Entry, Indexer, NoFields, TypeMeta, held_bytes};
pub use event::{Event, EventType, FrameKey};
pub use hub::Caches;
pub use objects::Trait;
pub use packed::{Fields, Labels};
pub use ring::RingLimits;
pub use snapshot::Snapshot;
pub use watcher::{Events, WatchError, WatchStart, Watcher};

use crate::{Change, KeyValue, Revision, Store, StoreError};
use entry::Maker;
use live::{Live, Made, State};
use snapshot::Recent;
use triggers::{Trigger, Triggers};

/// What a cache needs to know of its resource.
#[derive(Clone)]
pub struct Resource {
    /// What all its keys start with, the last slash included; see
    /// [`keys::resource_prefix`](crate::keys::resource_prefix).
    pub prefix: String,
    /// Gives the values of its selectable fields.
    pub indexer: Arc<dyn Indexer>,
    /// How many recent events to keep.
    pub ring: RingLimits,
}

impl Resource {
    /// A resource with the usual ring.
    pub fn new(prefix: impl Into<String>, indexer: impl Indexer) -> Self {
        Self { prefix: prefix.into(), indexer: Arc::new(indexer), ring: RingLimits::default() }
    }
}

/// Called with a resource's events in order, before the commit that made them is acknowledged. Must
/// be quick, and must not call the cache or the store.
pub type Observed = Box<dyn FnMut(&[Arc<Event>]) + Send>;

/// The objects and recent events of one resource.
pub struct ResourceCache {
    resource: Resource,
    store: Arc<dyn Store>,
    maker: Arc<Maker>,
    state: RwLock<State>,
    /// Held while changes are applied and shown to observers, so that both happen in one order.
    observers: Mutex<Vec<Observed>>,
    /// Counts changes of the state; wakes watchers.
    changes: watch::Sender<u64>,
    /// Wakes those that care for few of them.
    triggers: Arc<Triggers>,
    recent: Mutex<Recent>,
    loading: tokio::sync::Mutex<()>,
    /// How often it was loaded.
    loads: AtomicU64,
}

impl ResourceCache {
    fn new(store: Arc<dyn Store>, resource: Resource) -> Self {
        Self {
            maker: Arc::new(Maker::new(&resource.prefix, resource.indexer.clone())),
            resource,
            store,
            state: RwLock::new(State::Cold),
            observers: Mutex::default(),
            changes: watch::Sender::new(0),
            triggers: Arc::default(),
            recent: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            loads: AtomicU64::new(0),
        }
    }

    /// What all keys of the resource start with.
    pub fn prefix(&self) -> &str {
        &self.resource.prefix
    }

    /// Waits until the cache shows every write acknowledged before the call, anywhere. Reads without it
    /// may be stale where the store is remote; the embedded store returns at once.
    pub async fn fresh(&self) -> Result<Revision, StoreError> {
        self.store.fresh().await
    }

    /// The object at a key.
    pub async fn get(&self, key: &str) -> Result<Option<Arc<Entry>>, StoreError> {
        self.read(|live| live.get(key)).await?
    }

    /// All objects as of now.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.read(|live| live.snapshot(self.store.current_revision())).await?
    }

    /// All objects as of a revision: from memory as far as the ring reaches back, else from the
    /// store's history, else [`StoreError::Compacted`]. A revision to come is [`StoreError::Future`].
    pub async fn snapshot_at(&self, revision: Revision) -> Result<Snapshot, StoreError> {
        let found = self.read(|live| self.past(live, revision)).await??;
        let snapshot = match found {
            Past::Now(snapshot) => return Ok(snapshot),
            Past::Rewind(snapshot, events) => match self.recent.lock().find(revision) {
                Some(kept) => return Ok(kept),
                None => snapshot.rewound(revision, &events),
            },
            Past::Stored => {
                if let Some(kept) = self.recent.lock().find(revision) {
                    return Ok(kept);
                }
                let stored = self.read_store(Some(revision)).await?;
                live::sound(&stored.corrupt)?;
                Snapshot::new(revision, stored.objects)
            }
        };
        self.recent.lock().keep(snapshot.clone());
        Ok(snapshot)
    }

    fn past(&self, live: &Live, asked: Revision) -> Result<Past, StoreError> {
        let (changed, ring) = (live.changed(), live.ring());
        let current = self.store.current_revision().max(changed);
        if asked > current {
            Err(StoreError::Future { asked, current })
        } else if asked < self.store.oldest_revision() {
            // Memory may know it: a page must not live longer because nothing has changed since.
            Ok(Past::Stored)
        } else if asked >= changed {
            Ok(Past::Now(live.snapshot(asked)?))
        } else if asked >= ring.floor() {
            Ok(Past::Rewind(live.snapshot(current)?, ring.newest_first(asked)))
        } else {
            Ok(Past::Stored)
        }
    }

    /// Adds an observer and returns the state it starts from: it sees every event after that. An
    /// object whose stored value is damaged is missing from the state, or is shown as deleted.
    pub async fn on_commit(&self, observer: Observed) -> Result<Snapshot, StoreError> {
        loop {
            self.ready().await?;
            let mut observers = self.observers.lock();
            if let State::Live(live) = &*self.state.read() {
                observers.push(observer);
                return Ok(live.sound_part(self.store.current_revision()));
            }
        }
    }

    /// Loads the resource if it is not loaded yet. Done by the first read anyway.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.read(|_| ()).await
    }

    /// Reads the loaded state, loading it first if need be.
    async fn read<T>(&self, read: impl Fn(&Live) -> T) -> Result<T, StoreError> {
        loop {
            if let State::Live(live) = &*self.state.read() {
                return Ok(read(live));
            }
            self.load().await?;
        }
    }

    /// Takes commits in. Called by the publisher only, in revision order.
    fn committed(&self, changes: &[&Change]) {
        let live = matches!(&*self.state.read(), State::Live(_));
        if !live {
            match &mut *self.state.write() {
                State::Cold => return,
                State::Loading(waiting) => {
                    waiting.extend(changes.iter().map(|change| (*change).clone()));
                    return;
                }
                State::Live(_) => {}
            }
        }
        let made = changes.iter().map(|change| live::make(&self.maker, change)).collect();
        let mut observers = self.observers.lock();
        self.apply(made, &mut observers);
    }

    /// Takes in everything there is at a revision, because changes before it were lost. Observers see
    /// what changed in sum; watchers cannot be shown it and expire. Called by the publisher only.
    fn rebuilt<'k>(&self, all: impl Iterator<Item = &'k KeyValue>, revision: Revision) {
        let mut observers = self.observers.lock();
        let made = match &mut *self.state.write() {
            State::Live(live) => live.difference(&self.maker, all, revision),
            // What is being read may have been read before the loss.
            state => return *state = State::Cold,
        };
        self.apply(made, &mut observers);
        if let State::Live(live) = &mut *self.state.write() {
            live.forget_events(revision);
        }
        self.recent.lock().forget();
        self.wake(self.triggers.all());
    }

    fn apply(&self, made: Vec<Made>, observers: &mut [Observed]) {
        let (events, woken) = match &mut *self.state.write() {
            State::Live(live) => {
                let events = live.apply(made);
                let woken = self.triggers.note(live, &events);
                (events, woken)
            }
            State::Cold | State::Loading(_) => return,
        };
        if !events.is_empty() {
            for observer in observers {
                observer(&events);
            }
        }
        self.wake(woken);
    }

    /// Wakes everybody who watches all changes, and some of the others.
    fn wake(&self, some: Vec<Arc<Trigger>>) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        for trigger in some {
            trigger.wake();
        }
    }
}

enum Past {
    Now(Snapshot),
    Rewind(Snapshot, Vec<Arc<Event>>),
    Stored,
}

impl std::fmt::Debug for ResourceCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceCache").field("prefix", &self.resource.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
