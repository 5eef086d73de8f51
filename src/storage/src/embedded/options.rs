//! How an embedded store behaves.

use std::path::PathBuf;
use std::time::Duration;

/// Where an embedded store lives and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store's file. A lock file lies beside it.
    pub path: PathBuf,
    /// How much of the file the engine caches, in bytes. Reads are served from the caches above, so
    /// little is needed.
    pub page_cache: usize,
    /// How long history is kept for reads and watches of the past; upstream compacts every 5 minutes.
    pub history_window: Duration,
    /// How many revisions are kept at most, whatever their age.
    pub history_revisions: u64,
    /// How many transactions may wait; further ones wait for a place in the queue.
    pub queue: usize,
    /// How many transactions share one durable commit at most.
    pub batch: usize,
    /// Whether opening verifies every page of the file, which takes long on a large one.
    pub verify: bool,
    #[cfg(test)]
    pub(super) faults: Option<super::faults::Faults>,
}

impl Options {
    /// The defaults, for a store at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            page_cache: 4 << 20,
            history_window: Duration::from_secs(5 * 60),
            history_revisions: 1_000_000,
            queue: 1024,
            batch: 512,
            verify: false,
            #[cfg(test)]
            faults: None,
        }
    }
}
