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
    /// The id that the request's events have in the audit log.
    pub audit_id: Arc<str>,
    /// Which policies it was decided by: the generation of the chain.
    pub generation: u64,
}

/// A decision about a request, as the gate knows it.
pub(crate) struct Decided<'a> {
    pub(crate) user: &'a UserInfo,
    pub(crate) info: &'a Arc<RequestInfo>,
    pub(crate) audit_id: &'a Arc<str>,
    pub(crate) generation: u64,
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
    pub(crate) fn keep(&self, decided: &Decided<'_>, receipt: Receipt) {
        let ring = if receipt.is_allowed() { &self.allowed } else { &self.refused };
        let &Decided { user, info, audit_id, generation } = decided;
        let (user, info, audit_id) = (user.clone(), Arc::clone(info), Arc::clone(audit_id));
        ring.push(Arc::new(Record { at: Timestamp::now(), user, info, receipt, audit_id, generation }));
    }

    /// A decision by the text of its id or of its request's in the audit log; `None` if it is too long ago, or was of another process.
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
        let is = |record: &&Arc<Record>| {
            !id.is_empty() && *record.audit_id == *id || record.receipt.id().to_string() == id
        };
        self.slots.lock().iter().find(is).cloned()
    }
}

#[cfg(test)]
mod tests;
