//! Following the store's history, for whoever cannot be an observer.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Change, Revision, Store, StoreError};

const BATCH: usize = 1000;

/// A cursor in the store's history: delivers every change under a prefix exactly once, in order, also
/// across a restart of the store as long as the history is kept.
pub struct StoreWatch {
    store: Arc<dyn Store>,
    prefix: String,
    after: Revision,
    progress: watch::Receiver<Revision>,
}

impl StoreWatch {
    /// Watches the changes under `prefix` made after `after`.
    pub fn new(store: Arc<dyn Store>, prefix: impl Into<String>, after: Revision) -> Self {
        let progress = store.progress();
        Self { store, prefix: prefix.into(), after, progress }
    }

    /// The revision up to which everything was delivered.
    pub fn reached(&self) -> Revision {
        self.after
    }

    /// Waits for changes and returns them. Cancel safe: what was not returned comes again.
    pub async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        loop {
            let after = self.after;
            self.progress.wait_for(|seen| *seen > after).await.map_err(|_| StoreError::Closed)?;
            let found = self.store.history(&self.prefix, after, BATCH).await?;
            self.after = found.reached.max(after);
            if !found.changes.is_empty() {
                return Ok(found.changes);
            }
        }
    }
}
