//! The one writer: a thread that turns the queue into durable commits.
//!
//! ```text
//! drain the queue -> one engine transaction: due leases, each request's guards and rows, a step of
//! compaction -> commit (durable) -> observers, in revision order -> current revision moves,
//! watchers wake -> callers are answered
//! ```
//!
//! INVARIANT: nobody is answered, no observer is called and the current revision does not move before
//! the commit is durable. A commit whose outcome the engine cannot tell is settled by opening the file
//! again and looking at the revision in it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::Shared;
use super::batch::Batch;
use super::compaction::{self, Keep, Step};
use super::tables::Meta;
use crate::{Change, CommitOutcome, Revision, StoreError, Txn};

/// Leases that one commit may expire.
const EXPIRE: usize = 256;
/// Changes that one idle compaction step may forget: a few milliseconds of work.
const FORGET: usize = 500;
/// Bytes of values after which a batch takes no further transaction.
const BATCH_BYTES: usize = 8 << 20;
/// How long a commit waits for the writers that the one before has just answered.
const GATHER: Duration = Duration::from_micros(50);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer can be asked.
pub(super) enum Request {
    Commit(Txn, Reply<CommitOutcome>),
    Compact(Revision, Reply<()>),
    DrainOutbox(u64),
    Close(Reply<()>),
}

/// The writer's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    meta: Meta,
    keep: Keep,
    compactions: Vec<(Revision, Reply<()>)>,
    /// When housekeeping is due next, in milliseconds since 1970.
    next_expiry: Option<u64>,
    next_forget: Option<u64>,
    /// Outbox records to drop with the next commit, and when there must be one.
    drained: Option<u64>,
    next_drain: Option<u64>,
    last_batch: usize,
    /// A failed commit of which it is not known yet whether it is durable.
    unsettled: Option<Work>,
}

/// What one engine transaction did, kept until it is known to be durable.
struct Work {
    meta: Meta,
    changes: Vec<Change>,
    outcomes: Vec<CommitOutcome>,
    next_expiry: Option<u64>,
    compacted: Step,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Request>, meta: Meta) -> Self {
        let keep = Keep::new(&shared.options);
        // Both zero: look at the leases and the log once, soon.
        let (next_expiry, next_forget) = (Some(0), Some(0));
        Self {
            shared,
            queue,
            meta,
            keep,
            compactions: Vec::new(),
            next_expiry,
            next_forget,
            drained: None,
            next_drain: None,
            last_batch: 0,
            unsettled: None,
        }
    }

    /// Serves the queue until it is closed.
    pub(super) fn run(mut self, clock: &tokio::runtime::Runtime) {
        let mut requests = Vec::new();
        loop {
            let limit = self.shared.options.batch.max(1);
            let wait = self.until_housekeeping();
            let queue = &mut self.queue;
            let received = clock
                .block_on(async { tokio::time::timeout(wait, queue.recv_many(&mut requests, limit)).await });
            if received == Ok(0) {
                break;
            }
            self.gather(&mut requests, limit);
            if let Some(reply) = self.serve(&mut requests) {
                self.queue.close();
                let _ = reply.send(self.shared.shut());
                return;
            }
        }
        if let Err(error) = self.shared.shut() {
            warn!(error = &error as &dyn std::error::Error, "Store did not close cleanly");
        }
    }

    /// After a shared commit its writers come back one by one: committing for the first of them alone
    /// would make everybody else wait for two commits.
    fn gather(&mut self, requests: &mut Vec<Request>, limit: usize) {
        if requests.is_empty() || self.last_batch < 4 || requests.len() * 2 >= self.last_batch {
            return;
        }
        std::thread::sleep(GATHER);
        while requests.len() < limit {
            let Ok(request) = self.queue.try_recv() else { return };
            requests.push(request);
        }
    }

    /// Serves what was received; returns the reply to a request to close.
    fn serve(&mut self, requests: &mut Vec<Request>) -> Option<Reply<()>> {
        let (mut txns, mut replies, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut closing = None;
        for request in requests.drain(..) {
            match request {
                Request::Commit(txn, reply) => {
                    bytes += txn.ops.iter().map(value_size).sum::<usize>();
                    txns.push(txn);
                    replies.push(reply);
                    if bytes > BATCH_BYTES {
                        self.commit(&txns, &mut replies);
                        txns.clear();
                        bytes = 0;
                    }
                }
                Request::Compact(to, reply) => self.accept_compaction(to, reply),
                Request::DrainOutbox(upto) => self.accept_drain(upto),
                Request::Close(reply) => closing = Some(reply),
            }
        }
        self.last_batch = txns.len();
        if !txns.is_empty() || self.until_housekeeping().is_zero() {
            self.commit(&txns, &mut replies);
        }
        closing
    }

    /// Dropping drained records is not worth a commit of its own, unless none comes for a while.
    fn accept_drain(&mut self, upto: u64) {
        self.drained = self.drained.max(Some(upto));
        self.next_drain.get_or_insert(self.now_millis().saturating_add(1000));
    }

    fn accept_compaction(&mut self, to: Revision, reply: Reply<()>) {
        let oldest = self.meta.compacted;
        let refused = if to > self.meta.revision {
            Some(StoreError::Future { asked: to, current: self.meta.revision })
        } else if to < oldest {
            Some(StoreError::Compacted { asked: to, oldest })
        } else {
            None
        };
        if let Some(error) = refused {
            let _ = reply.send(Err(error));
            return;
        }
        self.keep.forced = self.keep.forced.max(to);
        self.next_forget = Some(0);
        self.compactions.push((to, reply));
    }

    /// One durable commit, and the answers to it.
    fn commit(&mut self, txns: &[Txn], replies: &mut Vec<Reply<CommitOutcome>>) {
        let result = self.write(txns).and_then(|work| self.publish(work));
        match result {
            Ok(outcomes) => {
                for (reply, outcome) in replies.drain(..).zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "Store cannot commit");
                for reply in replies.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
                for (_, reply) in self.compactions.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
                self.postpone_housekeeping();
            }
        }
    }

    /// Makes everything durable, or nothing.
    fn write(&mut self, txns: &[Txn]) -> Result<Work, StoreError> {
        if self.shared.is_closed() {
            return Err(StoreError::Closed);
        }
        if !self.shared.db.is_open()
            && let Some(work) = self.restore()?
        {
            self.publish(work)?;
        }
        let mut work = None;
        let now = self.now_millis();
        let written = self.shared.db.write(|txn| {
            let mut batch = Batch::open(txn, self.meta, now)?;
            let done = self.fill(&mut batch, txns)?;
            let dirty = batch.written;
            work = Some(Work { meta: batch.meta, changes: batch.changes, ..done });
            Ok(dirty)
        });
        match (written, work) {
            (Ok(()), Some(work)) => Ok(work),
            (Ok(()), None) => Err(StoreError::Closed),
            (Err(error), work) => self.settle(error, work),
        }
    }

    /// Puts everything that is due into a batch.
    fn fill(&self, batch: &mut Batch<'_>, txns: &[Txn]) -> Result<Work, StoreError> {
        let expiring = self.next_expiry.is_some_and(|due| due <= batch.now);
        if expiring {
            batch.expire(EXPIRE)?;
        }
        let outcomes = txns.iter().map(|txn| batch.apply(txn)).collect::<Result<Vec<_>, _>>()?;
        if let Some(upto) = self.drained {
            batch.drain_outbox(upto)?;
        }
        let budget = if txns.is_empty() { FORGET } else { 2 * batch.changes.len() };
        let compacted = compaction::step(batch, &self.keep, budget)?;
        let touched = expiring || batch.leases_touched;
        let next_expiry = if touched { batch.next_expiry()? } else { self.next_expiry };
        let after = batch.meta;
        batch.tables.put_meta(&self.meta, &after)?;
        Ok(Work { meta: after, changes: Vec::new(), outcomes, next_expiry, compacted })
    }

    /// Finds out whether a commit that failed is durable all the same.
    fn settle(&mut self, error: StoreError, work: Option<Work>) -> Result<Work, StoreError> {
        self.unsettled = work;
        match self.restore() {
            Ok(Some(work)) => Ok(work),
            Ok(None) => Err(error),
            Err(again) => {
                error!(error = &again as &dyn std::error::Error, "Store cannot be opened again");
                Err(error)
            }
        }
    }

    /// Opens the file again after a failure; returns the unsettled work if the file has it.
    fn restore(&mut self) -> Result<Option<Work>, StoreError> {
        self.shared.db.reopen()?;
        let found = self.shared.db.read("read its counters", Meta::read)?;
        if found == self.meta {
            self.unsettled = None;
            return Ok(None);
        }
        match self.unsettled.take() {
            Some(work) if work.meta == found => Ok(Some(work)),
            _ => {
                let reason = format!("it holds {found:?} where {:?} was left", self.meta);
                Err(StoreError::Corrupt { place: "its counters".to_owned(), reason })
            }
        }
    }

    /// Tells everyone about a durable commit.
    fn publish(&mut self, work: Work) -> Result<Vec<CommitOutcome>, StoreError> {
        self.meta = work.meta;
        (self.drained, self.next_drain) = (None, None);
        self.next_expiry = work.next_expiry;
        self.next_forget = match work.compacted {
            Step::More => Some(0),
            // In one go a second later rather than row by row.
            Step::Done { due } => due.map(|due| due.saturating_add(1000)),
        };
        self.shared.publish(&work.changes, &self.meta)?;
        let done = self.meta.compacted;
        for (_, reply) in self.compactions.extract_if(.., |(to, _)| *to <= done) {
            let _ = reply.send(Ok(()));
        }
        Ok(work.outcomes)
    }

    fn postpone_housekeeping(&mut self) {
        let later = self.now_millis().saturating_add(1000);
        for due in [&mut self.next_expiry, &mut self.next_forget, &mut self.next_drain] {
            *due = due.map(|due| due.max(later));
        }
    }

    fn now_millis(&self) -> u64 {
        self.shared.options.now_millis()
    }

    fn until_housekeeping(&self) -> Duration {
        let due = [self.next_expiry, self.next_forget, self.next_drain].into_iter().flatten().min();
        let wait = Duration::from_millis(due.unwrap_or(u64::MAX).saturating_sub(self.now_millis()));
        wait.min(Duration::from_secs(3600))
    }
}

fn value_size(op: &crate::Op) -> usize {
    match op {
        crate::Op::Put { value, .. } => value.len(),
        crate::Op::Delete { .. } => 0,
    }
}
