//! The loaded state of a resource and how commits change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::entry::Maker;
use super::objects::{Objects, Trait};
use super::ring::Ring;
use super::snapshot::Snapshot;
use super::{Entry, Event};
use crate::{Change, Key, KeyValue, Revision, StoreError};

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
    objects: Objects,
    /// Stored values that are no objects. Observers see such an object deleted, so that nothing is
    /// allowed because of it; reads of it, lists and watches fail until it is mended.
    corrupt: Corrupt,
    /// The revision of the newest change, or the one the store was read at.
    changed: Revision,
    /// The revision the store was read at; changes up to it are in already.
    read_at: Revision,
    ring: Ring,
}

/// What is wrong with which key, and since which revision.
pub(super) type Corrupt = BTreeMap<Key, (Revision, StoreError)>;

/// A resource as it was read from the store.
pub(super) struct Stored {
    pub(super) revision: Revision,
    pub(super) objects: Objects,
    pub(super) corrupt: Corrupt,
}

impl Live {
    pub(super) fn new(stored: Stored, ring: Ring) -> Self {
        let Stored { revision, objects, corrupt } = stored;
        Self { objects, corrupt, changed: revision, read_at: revision, ring }
    }

    /// Takes changes in, in order; returns what they did.
    pub(super) fn apply(&mut self, made: Vec<Made>) -> Vec<Arc<Event>> {
        let mut events = Vec::with_capacity(made.len());
        for made in made {
            // A load may have read further than what was published by then.
            if made.revision <= self.read_at {
                continue;
            }
            self.changed = made.revision;
            let damage = matches!(&made.what, What::Corrupt(_));
            let Some(event) = self.change(made).map(Arc::new) else { continue };
            events.push(event.clone());
            if damage {
                // Watchers must not be told of a deletion that was none: they find the damage in
                // the history.
                self.ring.clear(self.changed);
            } else {
                self.ring.push(event);
            }
        }
        events
    }

    fn change(&mut self, made: Made) -> Option<Event> {
        let Made { key, revision, what } = made;
        if !self.corrupt.is_empty() {
            self.corrupt.remove(&key);
        }
        match what {
            What::Put(entry) => {
                let previous = self.objects.insert(key, entry.clone());
                Some(Event::put(entry, previous))
            }
            What::Delete => Some(Event::delete(self.objects.remove(&key)?, revision)),
            What::Corrupt(error) => {
                let previous = self.objects.remove(&key);
                self.corrupt.insert(key, (revision, error));
                Some(Event::delete(previous?, revision))
            }
        }
    }

    /// The keys whose values are no objects, with the revisions that wrote them.
    pub(super) fn damaged(&self) -> Vec<(Key, Revision)> {
        self.corrupt.iter().map(|(key, (revision, _))| (key.clone(), *revision)).collect()
    }

    /// Takes in what was damaged and can be read after all; returns what that did. Watchers cannot be shown
    /// it in the order of revisions.
    pub(super) fn mend(&mut self, made: Vec<Made>) -> Vec<Arc<Event>> {
        let still = |corrupt: &Corrupt, made: &Made| {
            corrupt.get(&made.key).is_some_and(|(revision, _)| *revision == made.revision)
        };
        let mut events = Vec::new();
        for made in made {
            if still(&self.corrupt, &made) && matches!(made.what, What::Put(_)) {
                events.extend(self.change(made).map(Arc::new));
            }
        }
        if !events.is_empty() {
            self.ring.clear(self.changed);
        }
        events
    }

    /// The changes that lead from here to what there is at a revision.
    pub(super) fn difference<'k>(
        &self,
        maker: &Maker,
        all: impl Iterator<Item = &'k KeyValue>,
        revision: Revision,
    ) -> Vec<Made> {
        let mut made = Vec::new();
        let mut gone = self.objects.by_key().clone();
        for kv in all {
            let known = gone.remove(&*kv.key).is_some_and(|known| known.revision() == kv.mod_revision);
            if !known {
                made.push(ready(maker, &kv.key, kv.mod_revision, Some(&kv.value)));
            }
        }
        made.extend(gone.keys().map(|key| ready(maker, key, revision, None)));
        made.sort_by_key(|made| made.revision);
        made
    }

    /// Keeps no event up to a revision.
    pub(super) fn forget_events(&mut self, revision: Revision) {
        self.changed = self.changed.max(revision);
        self.ring.clear(revision);
    }

    /// One object.
    pub(super) fn get(&self, key: &str) -> Result<Option<Arc<Entry>>, StoreError> {
        match self.corrupt.get(key) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(self.objects.by_key().get(key).cloned()),
        }
    }

    /// Everything at one revision, at least `current`.
    pub(super) fn snapshot(&self, current: Revision) -> Result<Snapshot, StoreError> {
        sound(&self.corrupt)?;
        Ok(self.sound_part(current))
    }

    /// Everything that is not corrupt.
    pub(super) fn sound_part(&self, current: Revision) -> Snapshot {
        Snapshot::new(current.max(self.changed), self.objects.clone())
    }

    /// The revision of the newest change.
    pub(super) fn changed(&self) -> Revision {
        self.changed
    }

    /// What a change of an object wakes watchers by.
    pub(super) fn hashes(&self, entry: &Entry) -> SmallVec<[u64; 16]> {
        let mut hashes = self.objects.hashes(entry);
        hashes.push(Trait::Key(entry.key()).hashed());
        hashes
    }

    /// Whether both states of an object wake the same watchers.
    pub(super) fn same_traits(&self, one: &Entry, other: &Entry) -> bool {
        self.objects.same_traits(one, other)
    }

    /// The recent events.
    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }
}

/// Fails if anything is corrupt.
pub(super) fn sound(corrupt: &Corrupt) -> Result<(), StoreError> {
    match corrupt.values().next() {
        Some((_, error)) => Err(error.clone()),
        None => Ok(()),
    }
}

/// A change made ready outside of any lock.
pub(super) struct Made {
    key: Key,
    revision: Revision,
    what: What,
}

enum What {
    Put(Arc<Entry>),
    Delete,
    Corrupt(StoreError),
}

/// Makes a stored value ready.
pub(super) fn make_stored(maker: &Maker, kv: &KeyValue) -> Made {
    ready(maker, &kv.key, kv.mod_revision, Some(&kv.value))
}

/// Makes a change ready.
pub(super) fn make(maker: &Maker, change: &Change) -> Made {
    ready(maker, &change.key, change.revision, change.value.as_deref())
}

fn ready(maker: &Maker, key: &Key, revision: Revision, value: Option<&[u8]>) -> Made {
    let what = match value {
        None => What::Delete,
        Some(value) => match entry(maker, key, revision, value) {
            Ok(entry) => What::Put(entry),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "Stored object is corrupt");
                What::Corrupt(error)
            }
        },
    };
    Made { key: key.clone(), revision, what }
}

/// Makes one entry; what cannot be one is corrupt.
pub(super) fn entry(
    maker: &Maker,
    key: &Key,
    revision: Revision,
    value: &[u8],
) -> Result<Arc<Entry>, StoreError> {
    let made = maker.make(key, revision, value);
    made.map(Arc::new)
        .map_err(|error| StoreError::Corrupt { place: key.to_string(), reason: error.to_string() })
}
