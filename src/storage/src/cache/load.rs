//! Filling a cache from the store while commits go on.
//!
//! Commits wait in the cache from before the store is read, so whatever the read does not show comes
//! after it. A load that fails or is abandoned leaves the cache cold.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ResourceCache;
use super::live::{self, Live, State};
use super::ring::Ring;
use super::snapshot::Objects;
use crate::{Range, Revision, StoreError};

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
        let (revision, objects) = self.read_store(None).await?;
        let mut observers = self.observers.lock();
        let generation = self.loads.fetch_add(1, Ordering::Relaxed);
        let ring = Ring::new(self.resource.ring, revision, generation);
        let live = Live::new(revision, objects, ring);
        let waiting = match std::mem::replace(&mut *self.state.write(), State::Live(live)) {
            State::Loading(waiting) => waiting,
            _ => Vec::new(),
        };
        let missed = waiting.iter().filter(|change| change.revision > revision);
        self.apply(live::make(&self.maker, missed), &mut observers);
        std::mem::forget(unfinished);
        Ok(())
    }

    /// All objects in the store at a revision, or now.
    pub(super) async fn read_store(&self, at: Option<Revision>) -> Result<(Revision, Objects), StoreError> {
        let range = Range { at, ..Range::prefix(&self.resource.prefix) };
        let found = self.store.range(range).await?;
        let maker = self.maker.clone();
        let revision = found.revision;
        let many = found.kvs.len() > INLINE;
        let make = move || -> Result<Objects, StoreError> {
            let entries = found.kvs.into_iter().map(|kv| {
                let entry = live::entry(&maker, &kv.key, kv.mod_revision, &kv.value)?;
                Ok((kv.key, entry))
            });
            entries.collect()
        };
        let objects = if many {
            tokio::task::spawn_blocking(make).await.map_err(|_| StoreError::Closed)??
        } else {
            make()?
        };
        Ok((revision, objects))
    }
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
