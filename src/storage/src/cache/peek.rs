//! Reads for callers that cannot wait: those inside a write's synchronous steps.
//!
//! They have no words for damage: what is corrupt is as unavailable as what is not loaded.

use std::sync::Arc;

use super::live::State;
use super::{Entry, ResourceCache, Snapshot};
use crate::json::JsonError;

impl ResourceCache {
    /// The object at a key; `None` while the resource is not loaded, or cannot be read.
    pub fn peek(&self, key: &str) -> Option<Option<Arc<Entry>>> {
        match &*self.state.read() {
            State::Live(live) => live.get(key).ok(),
            State::Cold | State::Loading(_) => None,
        }
    }

    /// All objects as of now; `None` while the resource is not loaded, or cannot be read.
    pub fn peek_all(&self) -> Option<Snapshot> {
        match &*self.state.read() {
            State::Live(live) => live.snapshot(self.store.current_revision()).ok(),
            State::Cold | State::Loading(_) => None,
        }
    }

    /// An entry with other content, as this resource would keep it: the same key and revision.
    ///
    /// # Errors
    /// When the bytes are no stored object.
    pub fn remade(&self, entry: &Entry, stored: &[u8]) -> Result<Entry, JsonError> {
        self.maker.make(entry.key(), entry.revision(), stored)
    }
}
