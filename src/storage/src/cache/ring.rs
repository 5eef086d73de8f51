//! The recent events of a resource, shared by all its watchers.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Event;
use crate::Revision;

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub struct RingLimits {
    /// How many events.
    pub events: usize,
    /// How many bytes of objects and frames, about.
    pub bytes: usize,
}

impl Default for RingLimits {
    fn default() -> Self {
        Self { events: 8192, bytes: 8 << 20 }
    }
}

/// Events in revision order, numbered in the order they came. Rings of one cache number differently,
/// so that a place in an earlier one is not taken for a place in this one.
pub(super) struct Ring {
    limits: RingLimits,
    events: VecDeque<Arc<Event>>,
    first: u64,
    /// The first number since the ring was emptied last.
    barrier: u64,
    bytes: usize,
    /// Every event after this revision is in the ring.
    floor: Revision,
}

/// A watcher is given no further event beyond so many bytes, since it holds what it is given until its
/// client has read it.
const BATCH_BYTES: usize = 64 * 1024;

/// Bits that number the events of one generation.
const GENERATION: u32 = 44;

/// Some consecutive events.
pub(super) type Batch = SmallVec<[Arc<Event>; 4]>;

impl Ring {
    /// An empty ring that will have every event after `floor`.
    pub(super) fn new(limits: RingLimits, floor: Revision, generation: u64) -> Self {
        let first = generation.wrapping_shl(GENERATION);
        Self { limits, events: VecDeque::new(), first, barrier: first, bytes: 0, floor }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.weight();
        self.events.push_back(event);
        while self.events.len() > self.limits.events.max(1) || self.bytes > self.limits.bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.weight();
            self.floor = oldest.revision;
            self.first += 1;
        }
    }

    /// Forgets all events up to `floor`, the newest revision.
    pub(super) fn clear(&mut self, floor: Revision) {
        // One number is left out, so that even a watcher that has read everything falls out.
        self.first = self.end() + 1;
        self.barrier = self.first;
        self.events.clear();
        self.bytes = 0;
        self.floor = floor;
    }

    pub(super) fn floor(&self) -> Revision {
        self.floor
    }

    /// The number the next event will have.
    pub(super) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The end, for whoever has nothing to read from a number on; `None` if the ring was emptied since.
    pub(super) fn rest(&self, from: u64) -> Option<u64> {
        (from >= self.barrier).then(|| self.end())
    }

    /// The number of the first event after `revision`, if the ring has all of those.
    pub(super) fn after(&self, revision: Revision) -> Option<u64> {
        let place = || self.events.partition_point(|event| event.revision <= revision);
        (revision >= self.floor).then(|| self.first + place() as u64)
    }

    /// About `limit` events from number `from` on, or fewer that are large; never part of a revision's.
    /// `None` if some are no longer here.
    pub(super) fn read(&self, from: u64, limit: usize) -> Option<Batch> {
        let start = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let mut batch = Batch::new();
        let mut bytes = 0;
        for event in self.events.range(start.min(self.events.len())..) {
            let enough = batch.len() >= limit || bytes >= BATCH_BYTES;
            if enough && batch.last().is_some_and(|last| last.revision != event.revision) {
                break;
            }
            bytes += event.entry.body().len();
            batch.push(event.clone());
        }
        Some(batch)
    }

    /// The events after `revision`, newest first.
    pub(super) fn newest_first(&self, revision: Revision) -> Vec<Arc<Event>> {
        self.events.iter().rev().take_while(|event| event.revision > revision).cloned().collect()
    }
}
