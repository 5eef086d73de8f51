//! Keys that wait to be looked at.
//!
//! A key waits at most once, however often it is added, so a queue never holds more than there are
//! objects. A key that is added while it is worked on is looked at again afterwards, never twice at a
//! time. A failed key comes back after a time that doubles with every failure in a row.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What can be a queue's key.
pub trait QueueKey: Clone + Eq + Ord + Hash + fmt::Debug + Send + Sync + 'static {}

impl<Q: Clone + Eq + Ord + Hash + fmt::Debug + Send + Sync + 'static> QueueKey for Q {}

/// What a look at a key left to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until it changes.
    Settled,
    /// Another look after a while.
    After(Duration),
}

/// How long a failed key waits.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure; doubled after each further one.
    pub first: Duration,
    /// Never longer.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(5), most: Duration::from_secs(60) }
    }
}

impl Backoff {
    fn after(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }
}

/// Keys to look at; see the module.
pub struct Queue<Q> {
    state: Mutex<State<Q>>,
    changed: Notify,
    backoff: Backoff,
}

struct State<Q> {
    ready: VecDeque<Q>,
    /// The keys in `ready`.
    waiting: HashSet<Q>,
    /// Keys for later, by time; one time a key.
    later: BTreeSet<(Instant, Q)>,
    times: HashMap<Q, Instant>,
    /// Keys that are worked on; true when they were added meanwhile.
    working: HashMap<Q, bool>,
    failures: HashMap<Q, u32>,
}

impl<Q> Default for State<Q> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            waiting: HashSet::new(),
            later: BTreeSet::new(),
            times: HashMap::new(),
            working: HashMap::new(),
            failures: HashMap::new(),
        }
    }
}

impl<Q: QueueKey> Queue<Q> {
    /// An empty queue with the usual backoff.
    pub fn new() -> Arc<Self> {
        Self::with_backoff(Backoff::default())
    }

    /// An empty queue.
    pub fn with_backoff(backoff: Backoff) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Notify::new(), backoff })
    }

    /// Puts a key at the end, unless it waits already.
    pub fn add(&self, key: Q) {
        self.state.lock().add(key);
        self.changed.notify_one();
    }

    /// Adds a key after a while, unless it is due sooner already.
    pub fn add_after(&self, key: Q, delay: Duration) {
        self.state.lock().add_at(key, Instant::now() + delay);
        self.changed.notify_one();
    }

    /// Works for ever: looks at each key with `look`, at several keys at a time, and logs failures.
    pub async fn work<F, Fut, E>(&self, at_a_time: usize, mut look: F)
    where
        F: FnMut(Q) -> Fut,
        Fut: Future<Output = Result<Next, E>>,
        E: std::error::Error + 'static,
    {
        let mut looks = FuturesUnordered::new();
        loop {
            tokio::select! {
                key = self.next(), if looks.len() < at_a_time.max(1) => {
                    let look = look(key.clone());
                    looks.push(async move { (key, look.await) });
                }
                Some((key, outcome)) = looks.next() => self.done(key, outcome),
            }
        }
    }

    /// The next key that is due.
    async fn next(&self) -> Q {
        loop {
            let changed = self.changed.notified();
            let due = match self.state.lock().take(Instant::now()) {
                Ok(key) => return key,
                Err(due) => due,
            };
            match due {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn done<E: std::error::Error + 'static>(&self, key: Q, outcome: Result<Next, E>) {
        let mut state = self.state.lock();
        let again = state.working.remove(&key).unwrap_or(false);
        let delay = match outcome {
            Ok(next) => {
                state.failures.remove(&key);
                match next {
                    Next::Settled => None,
                    Next::After(delay) => Some(delay),
                }
            }
            Err(error) => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let delay = self.backoff.after(*failures);
                tracing::warn!(
                    ?key,
                    error = &error as &dyn std::error::Error,
                    retry_ms = delay.as_millis(),
                    "A key failed"
                );
                Some(delay)
            }
        };
        if again {
            state.add(key);
        } else if let Some(delay) = delay {
            state.add_at(key, Instant::now() + delay);
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl<Q: QueueKey> State<Q> {
    fn add(&mut self, key: Q) {
        if let Some(again) = self.working.get_mut(&key) {
            *again = true;
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn add_at(&mut self, key: Q, time: Instant) {
        if let Some(planned) = self.times.get(&key) {
            if *planned <= time {
                return;
            }
            self.later.remove(&(*planned, key.clone()));
        }
        self.times.insert(key.clone(), time);
        self.later.insert((time, key));
    }

    /// Takes a key that is due, or says when the next one will be.
    fn take(&mut self, now: Instant) -> Result<Q, Option<Instant>> {
        while self.later.first().is_some_and(|(time, _)| *time <= now) {
            if let Some((_, key)) = self.later.pop_first() {
                self.times.remove(&key);
                self.add(key);
            }
        }
        let Some(key) = self.ready.pop_front() else { return Err(self.later.first().map(|(time, _)| *time)) };
        self.waiting.remove(&key);
        self.working.insert(key.clone(), false);
        Ok(key)
    }
}

impl<Q> fmt::Debug for Queue<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Queue")
            .field("ready", &state.ready.len())
            .field("later", &state.later.len())
            .field("working", &state.working.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
