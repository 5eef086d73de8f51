//! Reads for callers that cannot wait: those inside a write's synchronous steps.

use std::sync::Arc;

use super::live::State;
use super::{Entry, ResourceCache, Snapshot};

impl ResourceCache {
    /// The object at a key; `None` while the resource is not loaded.
    pub fn peek(&self, key: &str) -> Option<Option<Arc<Entry>>> {
        match &*self.state.read() {
            State::Live(live) => Some(live.objects.get(key).cloned()),
            _ => None,
        }
    }

    /// All objects as of now; `None` while the resource is not loaded.
    pub fn peek_all(&self) -> Option<Snapshot> {
        match &*self.state.read() {
            State::Live(live) => Some(live.snapshot(self.store.current_revision())),
            _ => None,
        }
    }
}
