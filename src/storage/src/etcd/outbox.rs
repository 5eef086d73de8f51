//! Records beside transactions: keys of this server's own, put by the same etcd transaction.
//!
//! A record is numbered before its transaction is made, so a later one may be durable first. Readers
//! are shown records only up to the oldest whose transaction is under way; else a cursor would pass it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Core;
use super::cluster::{RANGE, TXN};
use super::names::Names;
use super::proto::{DeleteRequest, RangeRequest, RangeResponse, Request, TxnRequest, TxnResponse};
use crate::{OutboxRecord, StoreError};

/// Digits of a sequence number, so that keys sort as numbers.
const DIGITS: usize = 20;
/// Room for the records of one millisecond since 1970 in a first sequence number.
const MILLISECOND: u64 = 1 << 20;

/// This server's outbox.
pub(super) struct Outbox {
    server: String,
    next: AtomicU64,
    under_way: Mutex<BTreeSet<u64>>,
}

/// A record whose transaction is under way.
pub(super) struct Slot<'o> {
    outbox: &'o Outbox,
    sequence: u64,
    record: Bytes,
}

impl Outbox {
    pub(super) fn new(server: &str) -> Self {
        // Never used before, because it begins with now.
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let next = u64::try_from(millis).unwrap_or_default().saturating_mul(MILLISECOND);
        Self { server: server.to_owned(), next: AtomicU64::new(next), under_way: Mutex::default() }
    }

    pub(super) fn begin(&self, record: Bytes) -> Slot<'_> {
        let mut under_way = self.under_way.lock();
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        under_way.insert(sequence);
        Slot { outbox: self, sequence, record }
    }

    /// The first sequence number that is not settled yet.
    fn unsettled(&self) -> u64 {
        let under_way = self.under_way.lock();
        under_way.first().copied().unwrap_or_else(|| self.next.load(Ordering::Relaxed))
    }

    /// The newest record whose transaction, like those of all before it, is settled. A server that has
    /// written none yet tells the one before its first: what an earlier life of it left is older.
    pub(super) fn newest(&self) -> u64 {
        self.unsettled().saturating_sub(1)
    }

    pub(super) fn key(&self, names: &Names, sequence: u64) -> Bytes {
        names.own(&format!("outbox/{}/{sequence:0DIGITS$}", self.server))
    }
}

impl Slot<'_> {
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn record(&self) -> Bytes {
        self.record.clone()
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.outbox.under_way.lock().remove(&self.sequence);
    }
}

impl Core {
    /// Settled records after a sequence number.
    pub(super) async fn outbox_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRecord>, StoreError> {
        let end = self.outbox.unsettled();
        let start = after.saturating_add(1);
        if start >= end {
            return Ok(Vec::new());
        }
        let question = RangeRequest {
            key: self.outbox.key(&self.names, start),
            range_end: self.outbox.key(&self.names, end),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            ..RangeRequest::default()
        };
        let answer: RangeResponse = self.cluster.read(RANGE, "read its outbox", question).await?;
        let record = |kv: super::proto::KeyValue| {
            let digits = kv.key.get(kv.key.len().checked_sub(DIGITS)?..)?;
            let sequence = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some(OutboxRecord { sequence, revision: super::number(kv.mod_revision), bytes: kv.value })
        };
        Ok(answer.kvs.into_iter().filter_map(record).collect())
    }

    /// Drops records up to and including a sequence number.
    pub(super) async fn drain_outbox(&self, sequence: u64) -> Result<(), StoreError> {
        let key = self.outbox.key(&self.names, 0);
        let range_end = self.outbox.key(&self.names, sequence.saturating_add(1));
        let delete = Request::Delete(DeleteRequest { key, range_end, prev_kv: false });
        let request = TxnRequest { success: vec![delete.into()], ..TxnRequest::default() };
        self.cluster.write::<_, TxnResponse>(TXN, request).await.map(drop)
    }
}
