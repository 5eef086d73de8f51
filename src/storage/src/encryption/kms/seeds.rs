//! Seeds that were opened, so that the plugin is asked once for each. Bounded: when the newer half is full
//! it becomes the older one, and what the older one still held is asked for again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::envelope::{Seed, SourceId};

/// Seeds in each half.
const HALF: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Seeds(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    newer: HashMap<SourceId, Arc<Seed>>,
    older: HashMap<SourceId, Arc<Seed>>,
}

impl Seeds {
    pub(super) fn get(&self, id: &SourceId) -> Option<Arc<Seed>> {
        let mut halves = self.0.lock();
        if let Some(seed) = halves.newer.get(id) {
            return Some(seed.clone());
        }
        let seed = halves.older.remove(id)?;
        halves.put(*id, seed.clone());
        Some(seed)
    }

    pub(super) fn put(&self, id: SourceId, seed: Arc<Seed>) {
        self.0.lock().put(id, seed);
    }
}

impl Halves {
    fn put(&mut self, id: SourceId, seed: Arc<Seed>) {
        if self.newer.len() >= HALF {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, seed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SourceId {
        let mut id = SourceId::default();
        id[..8].copy_from_slice(&number.to_be_bytes());
        id
    }

    #[test]
    fn what_is_used_stays_and_the_whole_is_bounded() {
        let seeds = Seeds::default();
        let seed = || Arc::new(Seed::opened(vec![1; 32], 1).unwrap());
        for number in 0..HALF * 5 {
            seeds.put(id(number), seed());
            assert!(seeds.get(&id(0)).is_some(), "in use at {number}");
        }
        let halves = seeds.0.lock();
        assert!(halves.newer.len() + halves.older.len() <= 2 * HALF);
        assert!(!halves.newer.contains_key(&id(1)) && !halves.older.contains_key(&id(1)));
    }
}
