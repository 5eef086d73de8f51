//! What the store keeps until the log has it.
//!
//! ```text
//! gate        ledger.ticket()          before the commit that carries the record
//! log writer  ticket.settle()          once the event is written and synced
//! drainer     newest() = m, tickets = t; when all tickets before t are settled: drain(m)
//! ```
//!
//! Every record up to `m` was committed, hence its ticket taken, before `t`. A ticket that is dropped
//! unsettled (the queue was full, the disk was) makes the drainer write the records themselves.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::stored;

/// The annotation that tells the revision of a commit whose event was recovered.
const REVISION: &str = "portcullis.io/revision";

/// The store's outbox, as the log sees it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The sequence number of the newest record.
    fn newest(&self) -> u64;

    /// Up to `limit` records after `after`, oldest first.
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Record>, String>;

    /// Drops the records up to `sequence`.
    async fn drain(&self, sequence: u64) -> Result<(), String>;
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place; strictly increasing.
    pub sequence: u64,
    /// The revision of the commit it was part of.
    pub revision: u64,
    /// What [`AuditSlot::outbox`](crate::AuditSlot::outbox) made.
    pub line: Bytes,
}

impl Record {
    /// The id of its request.
    pub fn audit_id(&self) -> Option<Cow<'_, str>> {
        stored::audit_id(&self.line)
    }

    /// The event as a line of JSON. Which revision the commit made is known only now.
    pub fn to_line(&self) -> Bytes {
        let revision = self.revision.to_string();
        if let Some(mut stored) = stored::decode(&self.line) {
            stored.annotations.push((REVISION, &revision));
            let mut line = Vec::with_capacity(1024);
            crate::json::write_stored(&stored, &mut line);
            return line.into();
        }
        // Older records are lines already, and end with their annotations. What is neither stays what it is.
        match self.line.strip_suffix(b"}}").filter(|start| start.starts_with(b"{")) {
            Some(start) => [start, format!(",\"{REVISION}\":\"{revision}\"}}}}").as_bytes()].concat().into(),
            None => self.line.clone(),
        }
    }
}

/// Which records may still lack their event.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeSet<u64>,
    /// An event was lost whose record is still in the outbox.
    failed: bool,
}

impl Ledger {
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        let mut state = self.0.lock();
        let id = state.next;
        state.next = id.wrapping_add(1);
        state.open.insert(id);
        Ticket { ledger: self.clone(), id, settled: AtomicBool::new(false) }
    }

    /// The number of the next ticket.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.lock().next
    }

    /// Whether all tickets before `epoch` are back.
    pub(crate) fn is_settled(&self, epoch: u64) -> bool {
        self.0.lock().open.first().is_none_or(|first| *first >= epoch)
    }

    /// Whether records must be written that no event speaks for; asking forgets it.
    pub(crate) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.0.lock().failed)
    }

    pub(crate) fn fail(&self) {
        self.0.lock().failed = true;
    }
}

/// Stands for the records of one request.
#[derive(Debug)]
pub struct Ticket {
    ledger: Arc<Ledger>,
    id: u64,
    settled: AtomicBool,
}

impl Ticket {
    /// The event is on record: the store may forget its own.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.ledger.0.lock();
        state.open.remove(&self.id);
        state.failed |= !self.settled.load(Ordering::Acquire);
    }
}
