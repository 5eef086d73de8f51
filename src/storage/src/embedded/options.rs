//! How an embedded store behaves.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    /// Milliseconds since 1970, where a test says how time goes.
    #[cfg(test)]
    pub(super) clock: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
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
            #[cfg(test)]
            clock: None,
        }
    }

    /// The time, in milliseconds since 1970.
    pub(super) fn now_millis(&self) -> u64 {
        #[cfg(test)]
        if let Some(clock) = &self.clock {
            return clock.load(std::sync::atomic::Ordering::Acquire);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
