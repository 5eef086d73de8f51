//! Everything a store can fail with.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Revision;

/// Why the store did not do what was asked. A guard that does not hold is not an error: see
/// [`CommitOutcome::Conflict`](crate::CommitOutcome::Conflict).
///
/// Cloneable, because one failed batch is reported to everyone who wrote in it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The revision asked for is no longer kept.
    #[error("revision {asked} has been compacted; the oldest kept is {oldest}")]
    Compacted {
        /// The revision asked for.
        asked: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
    },
    /// The revision asked for does not exist yet.
    #[error("revision {asked} is in the future; the store is at {current}")]
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The store's revision.
        current: Revision,
    },
    /// The store was closed, or its writer has ended.
    #[error("the store is closed")]
    Closed,
    /// The disk has no room; nothing of the batch was written.
    #[error("no space is left for the store")]
    DiskFull(#[source] Arc<std::io::Error>),
    /// Reading or writing failed; nothing of the batch was acknowledged.
    #[error("the store cannot {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the engine or the system said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A remote store does not answer, or has no quorum; nothing was changed.
    #[error("etcd cannot {doing}: {reason}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        reason: String,
        /// The whole refusal.
        #[source]
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// A remote store did not say whether it made a write; it may have.
    #[error("it is not known whether etcd made the write: {reason}")]
    Unknown {
        /// What it said.
        reason: String,
        /// The whole refusal.
        #[source]
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// The value cannot be brought into the form it is kept in (encrypted).
    #[error("the value of {key} cannot be sealed: {reason}")]
    Sealing {
        /// The key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// What is stored cannot be what was written.
    #[error("the store is corrupt at {place}: {reason}")]
    Corrupt {
        /// The file or key.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has the store open.
    #[error("the store {} is in use by process {holder}", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
        /// The other process's id, as it left it in the lock file.
        holder: String,
    },
    /// What was to be filled is not empty.
    #[error("{0}")]
    Occupied(String),
    /// The transaction itself makes no sense (a key twice, a NUL in a key, too many operations).
    #[error("the transaction is not valid: {0}")]
    Invalid(String),
}
