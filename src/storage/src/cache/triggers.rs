//! Who is woken by what: watchers that care for a trait only sleep through all other changes.
//!
//! Thousands of kubelets watch the pods of their nodes. If every change of a pod woke all of them, it would cost as
//! much as sending it to all of them. A watcher that names a trait gets a trigger of it instead, which it
//! shares with others of the same trait.
//!
//! INVARIANT: a trigger's number is noted under the lock under which its events enter the ring, and nobody reads
//! the ring without that lock. A watcher that finds no number beyond its place has missed nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Event;
use super::live::Live;
use super::objects::Trait;

/// The triggers of a resource that somebody waits on.
#[derive(Default)]
pub(super) struct Triggers(Mutex<HashMap<u64, Arc<Trigger>>>);

/// What wakes the watchers of one trait.
pub(super) struct Trigger {
    /// The number after the last event that had the trait.
    last: AtomicU64,
    wakes: watch::Sender<u64>,
    /// How many watchers wait on it; changed under the lock of all triggers.
    users: AtomicUsize,
}

impl Trigger {
    fn new() -> Self {
        Self { last: AtomicU64::new(0), wakes: watch::Sender::new(0), users: AtomicUsize::new(0) }
    }

    pub(super) fn wake(&self) {
        self.wakes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Triggers {
    /// Waits on a trait from now on.
    pub(super) fn subscribe(self: &Arc<Self>, wanted: Trait<'_>) -> Subscription {
        let hash = wanted.hashed();
        let mut triggers = self.0.lock();
        let trigger = triggers.entry(hash).or_insert_with(|| Arc::new(Trigger::new())).clone();
        trigger.users.fetch_add(1, Ordering::Relaxed);
        Subscription { triggers: self.clone(), hash, trigger }
    }

    /// Notes events that have just entered the ring, under its lock; returns what they are to wake.
    pub(super) fn note(&self, live: &Live, events: &[Arc<Event>]) -> Vec<Arc<Trigger>> {
        let triggers = self.0.lock();
        if triggers.is_empty() {
            return Vec::new();
        }
        let end = live.ring().end();
        let mut woken = Vec::new();
        for event in events {
            // What it had before counts where it was something else.
            let before = event.previous.iter().filter(|before| !live.same_traits(before, &event.entry));
            for entry in std::iter::once(&event.entry).chain(before) {
                for trigger in live.hashes(entry).iter().filter_map(|hash| triggers.get(hash)) {
                    trigger.last.fetch_max(end, Ordering::AcqRel);
                    woken.push(trigger.clone());
                }
            }
        }
        woken
    }

    /// All of them: the ring was emptied.
    pub(super) fn all(&self) -> Vec<Arc<Trigger>> {
        self.0.lock().values().cloned().collect()
    }
}

/// A watcher's share of a trigger.
pub(super) struct Subscription {
    triggers: Arc<Triggers>,
    hash: u64,
    trigger: Arc<Trigger>,
}

impl Subscription {
    pub(super) fn wakes(&self) -> watch::Receiver<u64> {
        self.trigger.wakes.subscribe()
    }

    /// What entered the ring before now may have had the trait. Called under its lock.
    pub(super) fn begin(&self, end: u64) {
        self.trigger.last.fetch_max(end, Ordering::AcqRel);
    }

    /// The number after the last event that had the trait. Called under the ring's lock.
    pub(super) fn last(&self) -> u64 {
        self.trigger.last.load(Ordering::Acquire)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut triggers = self.triggers.0.lock();
        if self.trigger.users.fetch_sub(1, Ordering::Relaxed) == 1 {
            triggers.remove(&self.hash);
        }
    }
}
