//! The transactions of one durable commit: guards, rows, log, leases, outbox.

use redb::{ReadableTable, WriteTransaction};

use super::files::engine;
use super::tables::{self, LogRow, Meta, Tables};
use crate::{Change, CommitOutcome, Expect, Guard, KeyValue, Op, Revision, StoreError, Txn};

/// One engine transaction being filled.
pub(super) struct Batch<'t> {
    pub(super) tables: Tables<'t>,
    /// The counters as this batch leaves them.
    pub(super) meta: Meta,
    /// What this batch changed, in revision order.
    pub(super) changes: Vec<Change>,
    /// Whether anything was written, be it only housekeeping.
    pub(super) written: bool,
    /// The wall clock at the start of the batch, in milliseconds since 1970.
    pub(super) now: u64,
    /// Whether leases were added or removed.
    pub(super) leases_touched: bool,
    scratch: Vec<u8>,
}

impl<'t> Batch<'t> {
    pub(super) fn open(txn: &'t WriteTransaction, meta: Meta, now: u64) -> Result<Self, StoreError> {
        Ok(Self {
            tables: Tables::open(txn)?,
            meta,
            changes: Vec::new(),
            written: false,
            now,
            leases_touched: false,
            scratch: Vec::new(),
        })
    }

    /// Makes one transaction, or reports the first guard that fails. Sees the batch's earlier ones.
    pub(super) fn apply(&mut self, txn: &Txn) -> Result<CommitOutcome, StoreError> {
        // Most transactions write the one key they guard: what the guard read serves the write.
        let mut known: Option<(&str, Option<Revision>)> = None;
        for (index, guard) in txn.guards.iter().enumerate() {
            let live = self.live(&guard.key)?;
            if !holds(guard, live) {
                return self.conflict(index, guard);
            }
            known = Some((&guard.key, live));
        }
        let revision = self.meta.revision.next();
        let changes_before = self.changes.len();
        let mut previous = Vec::with_capacity(txn.ops.len());
        for op in &txn.ops {
            let live = match known {
                Some((key, live)) if *key == **op.key() => live,
                _ => self.live(op.key())?,
            };
            self.make(op, revision, live, changes_before)?;
            previous.push(live);
        }
        if self.changes.len() > changes_before {
            self.meta.revision = revision;
        }
        if let Some(record) = &txn.outbox {
            self.put_outbox(record)?;
        }
        Ok(CommitOutcome::Committed { revision: self.meta.revision, previous })
    }

    /// The revision of a key that exists.
    fn live(&self, key: &str) -> Result<Option<Revision>, StoreError> {
        let newest = tables::version_at(&self.tables.rows, key, Revision(u64::MAX), false)?;
        Ok(newest.filter(|version| version.value.is_some()).map(|version| version.revision))
    }

    fn conflict(&self, guard: usize, failed: &Guard) -> Result<CommitOutcome, StoreError> {
        let newest = tables::version_at(&self.tables.rows, &failed.key, Revision(u64::MAX), true)?;
        let current = newest.and_then(|version| {
            let (key, value) = (failed.key.clone(), version.value?);
            Some(KeyValue { key, value, mod_revision: version.revision })
        });
        Ok(CommitOutcome::Conflict { guard, current, revision: self.meta.revision })
    }

    fn make(
        &mut self,
        op: &Op,
        revision: Revision,
        live: Option<Revision>,
        changes_before: usize,
    ) -> Result<(), StoreError> {
        let value = match op {
            Op::Put { value, .. } => Some(value),
            Op::Delete { .. } if live.is_none() => return Ok(()),
            Op::Delete { .. } => None,
        };
        let key = op.key();
        let place = u32::try_from(self.changes.len() - changes_before).unwrap_or(u32::MAX);
        self.put_version(key, revision, value.map(|bytes| &**bytes))?;
        let previous = live.unwrap_or(Revision::UNSET);
        let deleted = value.is_none();
        let row = LogRow { previous, millis: self.now, deleted, key };
        row.encode(&mut self.scratch);
        let place = tables::log_key(revision, place);
        self.tables.log.insert(place, self.scratch.as_slice()).map_err(engine("write its log"))?;
        if let Op::Put { ttl: Some(ttl), .. } = op {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            let lease = tables::lease_key(self.now.saturating_add(ttl), key);
            self.tables.leases.insert(lease.as_slice(), revision.0).map_err(engine("write a lease"))?;
            self.leases_touched = true;
        }
        self.changes.push(Change { revision, key: key.clone(), value: value.cloned(), previous: live });
        Ok(())
    }

    pub(super) fn put_version(
        &mut self,
        key: &str,
        revision: Revision,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.scratch.clear();
        match value {
            Some(value) => {
                self.scratch.push(1);
                self.scratch.extend_from_slice(value);
            }
            None => self.scratch.push(0),
        }
        let row = tables::row_key(key, revision);
        self.tables.rows.insert(row.as_slice(), self.scratch.as_slice()).map_err(engine("write a key"))?;
        self.written = true;
        Ok(())
    }

    fn put_outbox(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.meta.outbox = self.meta.outbox.saturating_add(1);
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.meta.revision.0.to_be_bytes());
        self.scratch.extend_from_slice(record);
        let sequence = self.meta.outbox;
        self.tables.outbox.insert(sequence, self.scratch.as_slice()).map_err(engine("write its outbox"))?;
        self.written = true;
        Ok(())
    }

    /// Drops the outbox records up to `sequence`.
    pub(super) fn drain_outbox(&mut self, sequence: u64) -> Result<(), StoreError> {
        let upto = sequence.saturating_add(1);
        let gone = self.tables.outbox.retain_in(..upto, |_, _| false);
        gone.map_err(engine("drain its outbox"))?;
        self.written = true;
        Ok(())
    }

    /// Deletes up to `limit` keys whose lease has run out, unless they were written since.
    pub(super) fn expire(&mut self, limit: usize) -> Result<(), StoreError> {
        let due = self.due_leases(limit)?;
        for (lease, revision) in due {
            self.tables.leases.remove(lease.as_slice()).map_err(engine("drop a lease"))?;
            self.written = true;
            self.leases_touched = true;
            let (_, key) = tables::parse_lease_key(&lease)?;
            if self.live(key)? == Some(revision) {
                self.apply(&Txn::delete(key.into(), revision))?;
            }
        }
        Ok(())
    }

    fn due_leases(&self, limit: usize) -> Result<Vec<(Vec<u8>, Revision)>, StoreError> {
        let upto = self.now.saturating_add(1).to_be_bytes();
        let due = self.tables.leases.range::<&[u8]>(..upto.as_slice()).map_err(engine("read its leases"))?;
        let mut leases = Vec::new();
        for row in due.take(limit) {
            let (lease, revision) = row.map_err(engine("read its leases"))?;
            leases.push((lease.value().to_vec(), Revision(revision.value())));
        }
        Ok(leases)
    }

    /// When the next lease runs out, in milliseconds since 1970.
    pub(super) fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        let Some((lease, _)) = self.tables.leases.first().map_err(engine("read its leases"))? else {
            return Ok(None);
        };
        tables::parse_lease_key(lease.value()).map(|(expiry, _)| Some(expiry))
    }
}

fn holds(guard: &Guard, live: Option<Revision>) -> bool {
    match guard.expect {
        Expect::Absent => live.is_none(),
        Expect::ModRevision(revision) => live == Some(revision),
        Expect::Present => live.is_some(),
        Expect::Any => true,
    }
}
