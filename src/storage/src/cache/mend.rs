//! Reading again what could not be read: its key was not at hand, say, and is now.

use std::sync::Arc;

use super::ResourceCache;
use super::live::{self, State};
use crate::StoreError;

impl ResourceCache {
    /// Reads damaged values again. Observers see those that can be read now; watchers expire, if there are any.
    async fn mend(&self) -> Result<usize, StoreError> {
        let damaged = match &*self.state.read() {
            State::Live(live) => live.damaged(),
            State::Cold | State::Loading(_) => return Ok(0),
        };
        let mut made = Vec::new();
        for (key, _) in damaged {
            let found = self.store.get(&key, None).await?;
            made.extend(found.map(|kv| live::make_stored(&self.maker, &kv)));
        }
        let mut observers = self.observers.lock();
        let events = match &mut *self.state.write() {
            State::Live(live) => live.mend(made),
            State::Cold | State::Loading(_) => return Ok(0),
        };
        if events.is_empty() {
            return Ok(0);
        }
        for observer in observers.iter_mut() {
            observer(&events);
        }
        self.recent.lock().forget();
        self.wake(self.triggers.all());
        Ok(events.len())
    }
}

impl super::Caches {
    /// Reads again what could not be read before; returns how many objects can be now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mend(&self) -> Result<usize, StoreError> {
        let all: Vec<Arc<ResourceCache>> = self.all();
        let mut mended = 0;
        for cache in all {
            mended += cache.mend().await?;
        }
        Ok(mended)
    }
}
