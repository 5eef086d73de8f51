//! One change as watchers see it, serialised once for all of them.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::Entry;
use crate::Revision;

/// What happened to an object. A caller with a selector may show a `Modified` as `Added` or `Deleted`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventType {
    /// The object is new.
    Added,
    /// The object was written again.
    Modified,
    /// The object is gone.
    Deleted,
}

/// Which serialised form of an event: what it is shown as, and the caller's number for version,
/// encoding and transformation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameKey {
    /// What the watcher is told.
    pub shown_as: EventType,
    /// The caller's number of the served form.
    pub form: u32,
}

/// One change of one object.
pub struct Event {
    /// What happened.
    pub event_type: EventType,
    /// The object as it is now; for a deletion, as it was last, with the deletion's resourceVersion.
    pub entry: Arc<Entry>,
    /// The object as it was before, if there was one.
    pub previous: Option<Arc<Entry>>,
    /// The revision of the change.
    pub revision: Revision,
    frames: RwLock<SmallVec<[(FrameKey, Bytes); 1]>>,
}

impl Event {
    /// A new object, or a new state of an object.
    pub(super) fn put(entry: Arc<Entry>, previous: Option<Arc<Entry>>) -> Self {
        let event_type = if previous.is_some() { EventType::Modified } else { EventType::Added };
        let revision = entry.revision();
        Self { event_type, entry, previous, revision, frames: RwLock::default() }
    }

    /// The end of an object.
    pub(super) fn delete(previous: Arc<Entry>, revision: Revision) -> Self {
        let entry = Arc::new(previous.with_revision(revision));
        let previous = Some(previous);
        Self { event_type: EventType::Deleted, entry, previous, revision, frames: RwLock::default() }
    }

    /// The serialised form for `key`, made by the first watcher that asks and shared by the others.
    ///
    /// # Errors
    /// What making it failed with; the next watcher tries again.
    pub fn frame<E>(&self, key: FrameKey, make: impl FnOnce(&Self) -> Result<Bytes, E>) -> Result<Bytes, E> {
        let find = |frames: &[(FrameKey, Bytes)]| {
            frames.iter().find(|(found, _)| *found == key).map(|(_, frame)| frame.clone())
        };
        if let Some(frame) = find(&self.frames.read()) {
            return Ok(frame);
        }
        let mut frames = self.frames.write();
        if let Some(frame) = find(&frames) {
            return Ok(frame);
        }
        let frame = make(self)?;
        frames.push((key, frame.clone()));
        Ok(frame)
    }

    /// About how much memory it holds that the map does not: the previous object, a frame, itself.
    pub(super) fn weight(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |entry| entry.body().len());
        256 + previous + self.entry.body().len()
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type)
            .field("entry", &self.entry)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
