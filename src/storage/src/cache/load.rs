//! Filling a cache from the store while commits go on.
//!
//! Commits wait in the cache from before the store is read, so whatever the read does not show comes
//! after it. A load that fails or is abandoned leaves the cache cold.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ResourceCache;
use super::entry::Maker;
use super::live::{self, Corrupt, Live, State, Stored};
use super::objects::Objects;
use super::ring::Ring;
use crate::{Range, RangeResult, Revision, StoreError};

/// Objects that are made into entries on the caller's thread; more go where they block nobody.
const INLINE: usize = 200;

impl ResourceCache {
    /// Loads the resource, unless somebody else just did.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let _one = self.loading.lock().await;
        {
            let mut state = self.state.write();
            match &*state {
                State::Live(_) => return Ok(()),
                _ => *state = State::Loading(Vec::new()),
            }
        }
        let unfinished = Unfinished(self);
        let stored = self.read_store(None).await?;
        let mut observers = self.observers.lock();
        let generation = self.loads.fetch_add(1, Ordering::Relaxed);
        let ring = Ring::new(self.resource.ring, stored.revision, generation);
        let live = Live::new(stored, ring);
        let waiting = {
            let mut state = self.state.write();
            let State::Loading(waiting) = &mut *state else {
                // Changes were lost meanwhile; the caller finds it cold and loads again.
                return Ok(());
            };
            let waiting = std::mem::take(waiting);
            *state = State::Live(live);
            waiting
        };
        let waiting = waiting.iter().map(|change| live::make(&self.maker, change));
        self.apply(waiting.collect(), &mut observers);
        std::mem::forget(unfinished);
        self.wake(self.triggers.all());
        Ok(())
    }

    /// The resource as the store has it at a revision, or now.
    pub(super) async fn read_store(&self, at: Option<Revision>) -> Result<Stored, StoreError> {
        let range = Range { at, ..Range::prefix(&self.resource.prefix) };
        let found = self.store.range(range).await?;
        let maker = self.maker.clone();
        if found.kvs.len() <= INLINE {
            return Ok(make(&maker, found));
        }
        let task = tokio::task::spawn_blocking(move || make(&maker, found));
        task.await.map_err(|_| StoreError::Closed)
    }
}

fn make(maker: &Maker, found: RangeResult) -> Stored {
    let mut corrupt = Corrupt::new();
    let entries = found.kvs.into_iter().filter_map(|kv| {
        match live::entry(maker, &kv.key, kv.mod_revision, &kv.value) {
            Ok(entry) => Some((kv.key, entry)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "Stored object is corrupt");
                corrupt.insert(kv.key, (kv.mod_revision, error));
                None
            }
        }
    });
    let objects = Objects::new(maker.finding(), entries);
    Stored { revision: found.revision, objects, corrupt }
}

/// Makes an unfinished load undone.
struct Unfinished<'c>(&'c ResourceCache);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        *self.0.state.write() = State::Cold;
    }
}

/// Loads many caches at once.
impl super::Caches {
    /// Loads every registered resource, so that no request has to wait for it.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let all: Vec<Arc<ResourceCache>> = self.all();
        for cache in all {
            cache.ready().await?;
        }
        Ok(())
    }
}
