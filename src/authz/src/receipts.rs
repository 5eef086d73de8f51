//! Recent decisions, kept to be explained.
//!
//! Refusals and permissions have rings of their own, so that traffic that is allowed does not push out what
//! somebody will ask about. A record holds what the gate had in hand; words are made only when asked for.

mod explain;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::{RequestInfo, UserInfo};

use crate::decision::Receipt;

/// How many decisions of a kind are kept.
const KEPT: usize = 4_096;

/// A decision about a request.
#[derive(Debug)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Whose rights counted.
    pub user: UserInfo,
    /// What was asked.
    pub info: Arc<RequestInfo>,
    /// What was decided and why.
    pub receipt: Receipt,
}

/// The recent decisions.
#[derive(Default)]
pub struct Receipts {
    allowed: Ring,
    refused: Ring,
}

#[derive(Default)]
struct Ring {
    next: AtomicUsize,
    slots: Mutex<Vec<Arc<Record>>>,
}

impl Receipts {
    /// Keeps a decision.
    pub(crate) fn keep(&self, user: &UserInfo, info: &Arc<RequestInfo>, receipt: Receipt) {
        let ring = if receipt.is_allowed() { &self.allowed } else { &self.refused };
        let record = Record { at: Timestamp::now(), user: user.clone(), info: Arc::clone(info), receipt };
        ring.push(Arc::new(record));
    }

    /// A decision by the text of its id; `None` if it is too long ago, or was of another process.
    pub fn find(&self, id: &str) -> Option<Arc<Record>> {
        self.refused.find(id).or_else(|| self.allowed.find(id))
    }
}

impl Ring {
    fn push(&self, record: Arc<Record>) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % KEPT;
        let mut slots = self.slots.lock();
        let dropped = match slots.get_mut(place) {
            Some(slot) => Some(std::mem::replace(slot, record)),
            None => {
                slots.push(record);
                None
            }
        };
        drop(slots);
        drop(dropped);
    }

    fn find(&self, id: &str) -> Option<Arc<Record>> {
        self.slots.lock().iter().find(|record| record.receipt.id().to_string() == id).cloned()
    }
}

#[cfg(test)]
mod tests;
