//! Following one resource from a revision on.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::live::{self, State};
use super::objects::Trait;
use super::ring::Batch;
use super::triggers::Subscription;
use super::{Event, ResourceCache, Snapshot};
use crate::{Change, Revision, StoreError};

/// Events returned by one call, about.
const BATCH: usize = 64;
/// Changes read from the store's history at once.
const HISTORY: usize = 500;

/// Some consecutive events of a resource, oldest first.
pub type Events = Batch;

/// Where a watch begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchStart {
    /// With the state of now, which [`Watcher::take_initial`] returns, and everything after it.
    Initial,
    /// With the first event after this revision.
    After(Revision),
}

/// Why a watch ends or cannot begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// The events asked for are no longer kept; the client must list again (410).
    #[error("events after revision {asked} are no longer kept")]
    Expired {
        /// The revision after which events were asked for.
        asked: Revision,
    },
    /// The revision does not exist yet.
    #[error("revision {asked} is in the future; the store is at {current}")]
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The store's revision.
        current: Revision,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A place in a resource's events. It keeps no queue: what it has not read yet is in the ring that all
/// watchers share, or in the store's history.
pub struct Watcher {
    cache: Arc<ResourceCache>,
    /// Moves when there may be something to read.
    wakes: watch::Receiver<u64>,
    /// What moves it if only some changes do.
    own: Option<Subscription>,
    place: Place,
    /// Everything up to here was returned.
    delivered: Revision,
    initial: Option<Snapshot>,
}

/// Where the next event is.
enum Place {
    /// In the ring, at this number.
    Ring(u64),
    /// In the store's history. What was read of it waits here.
    History(VecDeque<Change>, Revision),
}

impl ResourceCache {
    /// Begins to watch.
    pub async fn watch(self: &Arc<Self>, start: WatchStart) -> Result<Watcher, WatchError> {
        self.watch_for(start, None).await
    }

    /// Begins to watch what has a trait. The watcher gets every event of objects that have it or had it before, and
    /// may get others; it is not woken for those.
    pub async fn watch_for(
        self: &Arc<Self>,
        start: WatchStart,
        wanted: Option<Trait<'_>>,
    ) -> Result<Watcher, WatchError> {
        let own = wanted.map(|wanted| self.triggers.subscribe(wanted));
        let wakes = own.as_ref().map_or_else(|| self.changes.subscribe(), Subscription::wakes);
        let begun = self.read(|live| {
            if let Some(own) = &own {
                own.begin(live.ring().end());
            }
            self.begin(live, start)
        });
        let (delivered, place, initial) = begun.await??;
        Ok(Watcher { cache: self.clone(), wakes, own, place, delivered, initial })
    }

    fn begin(
        &self,
        live: &live::Live,
        start: WatchStart,
    ) -> Result<(Revision, Place, Option<Snapshot>), WatchError> {
        let snapshot = live.snapshot(self.store.current_revision())?;
        let current = snapshot.revision();
        match start {
            WatchStart::Initial => Ok((current, Place::Ring(live.ring().end()), Some(snapshot))),
            WatchStart::After(asked) if asked > current => Err(WatchError::Future { asked, current }),
            WatchStart::After(asked) => match live.ring().after(asked) {
                Some(number) => Ok((asked, Place::Ring(number), None)),
                None if asked < self.store.oldest_revision() => Err(WatchError::Expired { asked }),
                None => Ok((asked, Place::History(VecDeque::new(), asked), None)),
            },
        }
    }
}

impl Watcher {
    /// The state the watch begins with, if it was asked for; the caller shows it as added objects.
    pub fn take_initial(&mut self) -> Option<Snapshot> {
        self.initial.take()
    }

    /// Waits for events and returns about 64 of them at most; never part of what one revision did. Cancel
    /// safe: what was not returned comes again.
    pub async fn next_batch(&mut self) -> Result<Events, WatchError> {
        loop {
            self.wakes.mark_unchanged();
            self.rest();
            let (events, waits) = match self.place {
                Place::Ring(number) => self.read_ring(number)?,
                Place::History(..) => (self.read_history().await?, false),
            };
            if let Some(last) = events.last() {
                self.delivered = last.revision;
                return Ok(events);
            }
            if waits {
                self.wakes.changed().await.map_err(|_| StoreError::Closed)?;
            }
        }
    }

    /// The revision up to which this watcher has returned every event: what a bookmark may say.
    pub fn progress(&self) -> Revision {
        match (&self.place, &*self.cache.state.read()) {
            (Place::Ring(number), State::Live(live))
                if *number == live.ring().end() || self.rests(live, *number).is_some() =>
            {
                self.cache.store.current_revision().max(self.delivered)
            }
            _ => self.delivered,
        }
    }

    /// Goes past changes that do not concern it, so that it does not fall out of the ring while it sleeps.
    pub fn rest(&mut self) {
        let Place::Ring(number) = self.place else { return };
        let rests = match &*self.cache.state.read() {
            State::Live(live) => self.rests(live, number),
            State::Cold | State::Loading(_) => None,
        };
        if let Some((end, changed)) = rests {
            self.place = Place::Ring(end);
            self.delivered = self.delivered.max(changed);
        }
    }

    /// Where it comes to if nothing from a number on concerns it, and at which revision that is.
    fn rests(&self, live: &live::Live, number: u64) -> Option<(u64, Revision)> {
        let none = self.own.as_ref().is_some_and(|own| own.last() <= number);
        none.then(|| live.ring().rest(number)).flatten().map(|end| (end, live.changed()))
    }

    /// What the ring has, and whether that is all there is for now.
    fn read_ring(&mut self, number: u64) -> Result<(Events, bool), WatchError> {
        let found = match &*self.cache.state.read() {
            State::Live(live) => live.ring().read(number, BATCH),
            // Being read again: start over from the history.
            State::Cold | State::Loading(_) => None,
        };
        Ok(match found {
            Some(events) => {
                self.place = Place::Ring(number + events.len() as u64);
                (events, true)
            }
            None => {
                self.place = Place::History(VecDeque::new(), self.delivered);
                (Events::new(), false)
            }
        })
    }

    /// Returns to the ring if it reaches back far enough by now; else reads on in the history.
    async fn read_history(&mut self) -> Result<Events, WatchError> {
        let delivered = self.delivered;
        let Place::History(waiting, reached) = &mut self.place else { return Ok(Events::new()) };
        if waiting.is_empty() {
            let reached = (*reached).max(delivered);
            let back = self.cache.read(|live| live.ring().after(reached)).await?;
            if let Some(number) = back {
                self.place = Place::Ring(number);
                return Ok(Events::new());
            }
            let found = self.cache.store.history(self.cache.prefix(), reached, HISTORY).await;
            let found = found.map_err(expired)?;
            self.place = Place::History(found.changes.into(), found.reached);
            return Ok(Events::new());
        }
        let mut events = Events::new();
        let mut taken = 0;
        for change in waiting.iter() {
            let split = events.last().is_some_and(|last| last.revision != change.revision);
            if split && events.len() >= BATCH {
                break;
            }
            events.extend(event(&self.cache, change).await?.map(Arc::new));
            taken += 1;
        }
        waiting.drain(..taken);
        Ok(events)
    }
}

/// Makes an event again from the store's history.
async fn event(cache: &ResourceCache, change: &Change) -> Result<Option<Event>, WatchError> {
    let before = Revision(change.revision.0.saturating_sub(1));
    let previous = match change.previous {
        Some(_) => cache.store.get(&change.key, Some(before)).await.map_err(expired)?,
        None => None,
    };
    let made = |revision, value: &[u8]| live::entry(&cache.maker, &change.key, revision, value);
    let previous = previous.map(|kv| made(kv.mod_revision, &kv.value)).transpose()?;
    Ok(match &change.value {
        Some(value) => Some(Event::put(made(change.revision, value)?, previous)),
        None => previous.map(|previous| Event::delete(previous, change.revision)),
    })
}

fn expired(error: StoreError) -> WatchError {
    match error {
        StoreError::Compacted { asked, .. } => WatchError::Expired { asked },
        other => WatchError::Store(other),
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("cache", &self.cache)
            .field("delivered", &self.delivered)
            .finish_non_exhaustive()
    }
}
