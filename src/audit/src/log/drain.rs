//! Empties the store's outbox as the log fills, and fills the log from it after a crash.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::{AuditLog, Entry};
use crate::outbox::{Outbox, Record};
use crate::read;

/// How often the outbox is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How many records are held at once.
const PAGE: usize = 1024;
/// How much of the log's end is searched for events that are there already. The outbox is emptied
/// within seconds, so that whatever its records speak of is near the end.
const TAIL: u64 = 64 << 20;

impl AuditLog {
    /// Writes what a crash left in the outbox: call it once, before the first request. Returns how
    /// many events were missing.
    ///
    /// # Errors
    /// In words for the operator: the outbox cannot be read, or the log not written.
    pub async fn recover(&self, outbox: &dyn Outbox) -> Result<usize, String> {
        if outbox.newest() == 0 {
            return Ok(0);
        }
        let missing = self.replay(outbox, 0, u64::MAX).await?;
        if missing > 0 {
            info!(events = missing, "Audit events recovered from the store");
        }
        outbox.drain(outbox.newest()).await?;
        Ok(missing)
    }

    /// Empties the outbox as its events come on record; runs until it is dropped.
    pub async fn drain(self: Arc<Self>, outbox: Arc<dyn Outbox>) {
        let mut drained = 0;
        let mut mark = None;
        loop {
            tokio::time::sleep(PERIOD).await;
            let (newest, epoch) = *mark.get_or_insert_with(|| (outbox.newest(), self.ledger.epoch()));
            if newest == drained {
                mark = None;
                continue;
            }
            if !self.ledger.is_settled(epoch) {
                continue;
            }
            match self.drain_to(&*outbox, drained, newest).await {
                Ok(()) => drained = newest,
                Err(cause) => error!(cause, "Audit outbox cannot be drained"),
            }
            mark = None;
        }
    }

    async fn drain_to(&self, outbox: &dyn Outbox, after: u64, newest: u64) -> Result<(), String> {
        if self.ledger.take_failed()
            && let Err(cause) = self.replay(outbox, after, newest).await.map(drop)
        {
            self.ledger.fail();
            return Err(cause);
        }
        outbox.drain(newest).await
    }

    /// Writes the records whose events are not in the log, page by page.
    async fn replay(&self, outbox: &dyn Outbox, mut after: u64, upto: u64) -> Result<usize, String> {
        let path = self.path.clone();
        let known = tokio::task::spawn_blocking(move || read::ids_near_end(&path, TAIL)).await;
        let known = known.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let mut missing = 0;
        while after < upto {
            let page = outbox.read(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            let page = page.iter().filter(|r| r.sequence <= upto && !is_known(r, &known));
            missing += self.write_lines(page.map(Record::to_line).collect()).await?;
        }
        Ok(missing)
    }

    async fn write_lines(&self, lines: Vec<Bytes>) -> Result<usize, String> {
        let count = lines.len();
        if count > 0 {
            let (done, written) = oneshot::channel();
            let full = |_| "the audit queue is full".to_owned();
            self.queue.push(Entry::Recovered(lines, done), true).map_err(full)?;
            written.await.map_err(|_| "the audit log cannot be written".to_owned())?;
        }
        Ok(count)
    }
}

fn is_known(record: &Record, known: &HashSet<String>) -> bool {
    record.audit_id().is_some_and(|id| known.contains(&*id))
}
