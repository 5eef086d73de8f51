//! The ledger of use: how often a rule or binding decided about a request, and when last.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something decided about a request.
#[derive(Default, Debug)]
pub struct Used {
    count: AtomicU64,
    last: AtomicU64,
}

impl Used {
    /// Notes that it decided about a request.
    pub(crate) fn note(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let now = jiff::Timestamp::now().as_second();
        self.last.store(u64::try_from(now).unwrap_or_default(), Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// When last, in seconds since 1970; `None` if never.
    pub fn last(&self) -> Option<u64> {
        Some(self.last.load(Ordering::Relaxed)).filter(|last| *last != 0)
    }
}
