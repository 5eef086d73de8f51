//! The loaded state of a resource and how commits change it.

use std::sync::Arc;

use super::entry::Maker;
use super::ring::Ring;
use super::snapshot::{Objects, Snapshot};
use super::{Entry, Event};
use crate::{Change, Revision, StoreError};

/// Where a cache stands.
pub(super) enum State {
    /// Nothing is known; commits pass by.
    Cold,
    /// The store is being read; commits wait here.
    Loading(Vec<Change>),
    /// Everything is here.
    Live(Live),
}

/// A loaded resource.
pub(super) struct Live {
    pub(super) objects: Objects,
    /// The revision of the newest change in `objects`, or the one they were read at.
    pub(super) changed: Revision,
    pub(super) ring: Ring,
    /// The revision the store was read at; changes up to it are in already.
    read_at: Revision,
}

impl Live {
    pub(super) fn new(read_at: Revision, objects: Objects, ring: Ring) -> Self {
        Self { objects, changed: read_at, ring, read_at }
    }

    /// Takes changes in, in order; returns what they did.
    pub(super) fn apply(&mut self, made: Vec<Made>) -> Vec<Arc<Event>> {
        let mut events = Vec::with_capacity(made.len());
        for made in made {
            // A load may have read further than what was published by then.
            if made.revision() <= self.read_at {
                continue;
            }
            let Some(event) = self.change(made) else { continue };
            let event = Arc::new(event);
            self.changed = event.revision;
            self.ring.push(event.clone());
            events.push(event);
        }
        events
    }

    fn change(&mut self, made: Made) -> Option<Event> {
        match made {
            Made::Put(entry) => {
                let previous = self.objects.insert(entry.key().clone(), entry.clone());
                Some(Event::put(entry, previous))
            }
            Made::Delete(key, revision) => Some(Event::delete(self.objects.remove(&*key)?, revision)),
        }
    }

    /// Everything at one revision, at least `current`.
    pub(super) fn snapshot(&self, current: Revision) -> Snapshot {
        Snapshot::new(current.max(self.changed), self.objects.clone())
    }
}

/// A change made ready outside of any lock.
pub(super) enum Made {
    Put(Arc<Entry>),
    Delete(crate::Key, Revision),
}

impl Made {
    fn revision(&self) -> Revision {
        match self {
            Self::Put(entry) => entry.revision(),
            Self::Delete(_, revision) => *revision,
        }
    }
}

/// Makes the entries of changes.
pub(super) fn make<'c>(
    maker: &Maker,
    changes: impl IntoIterator<Item = &'c Change>,
) -> Result<Vec<Made>, StoreError> {
    let make = |change: &Change| match &change.value {
        Some(value) => entry(maker, &change.key, change.revision, value).map(Made::Put),
        None => Ok(Made::Delete(change.key.clone(), change.revision)),
    };
    changes.into_iter().map(make).collect()
}

/// Makes one entry; what cannot be one is corrupt.
pub(super) fn entry(
    maker: &Maker,
    key: &crate::Key,
    revision: Revision,
    value: &[u8],
) -> Result<Arc<Entry>, StoreError> {
    let made = maker.make(key, revision, value);
    made.map(Arc::new)
        .map_err(|error| StoreError::Corrupt { place: key.to_string(), reason: error.to_string() })
}
