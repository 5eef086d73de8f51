//! What is done once in the life of a cluster, by whichever server comes first: who undoes it has undone it for good.

use portcullis_api::Result;

use crate::Registry;
use crate::door::storage_error;

const DONE: &str = "/registry/portcullis.dev-done/";

impl Registry {
    /// Whether it was done.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn was_done(&self, what: &str) -> Result<bool> {
        let record = self.store().get(&format!("{DONE}{what}"), None).await;
        Ok(record.map_err(storage_error)?.is_some())
    }

    /// Writes down that it was done.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note_done(&self, what: &str) -> Result<()> {
        self.record(format!("{DONE}{what}").into(), "{}".into(), None).await
    }
}
