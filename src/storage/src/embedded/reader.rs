//! Reads of the file: one key, a range, a stretch of history, the outbox; each on one snapshot.

use bytes::Bytes;
use redb::{AccessGuard, ReadTransaction};

use super::files::engine;
use super::tables::{self, LOG, LogRow, Meta, OUTBOX, ROWS};
use crate::{Change, History, Key, KeyValue, OutboxRecord, Range, RangeResult, Revision, StoreError};

/// Rows of the log one call looks at, at most, so that a narrow prefix cannot hold a snapshot long.
const LOG_ROWS: usize = 100_000;
/// Bytes of values that one call returns, about: every watcher that has fallen behind holds such a piece.
const HISTORY_BYTES: usize = 1 << 20;

/// One key as of a revision.
pub(super) fn get(
    txn: &ReadTransaction,
    key: &str,
    at: Option<Revision>,
) -> Result<Option<KeyValue>, StoreError> {
    let at = readable(&Meta::read(txn)?, at)?;
    let rows = txn.open_table(ROWS).map_err(engine("open its rows"))?;
    let found = tables::version_at(&rows, key, at, true)?;
    Ok(found.and_then(|version| {
        let value = version.value?;
        Some(KeyValue { key: key.into(), value, mod_revision: version.revision })
    }))
}

/// The keys of an interval as of a revision.
pub(super) fn range(txn: &ReadTransaction, range: &Range) -> Result<RangeResult, StoreError> {
    let revision = readable(&Meta::read(txn)?, range.at)?;
    let rows = txn.open_table(ROWS).map_err(engine("open its rows"))?;
    let (start, end) = (first_row(&range.start), range.end.as_bytes());
    let start = start.as_slice();
    let found = match end {
        [] => rows.range::<&[u8]>(start..),
        _ if end <= start => return Ok(empty(revision)),
        _ => rows.range::<&[u8]>(start..end),
    };
    let mut collect = Collect { limit: range.limit, result: empty(revision), newest: None };
    for row in found.map_err(engine("read a range"))? {
        if range.uncounted && collect.result.more {
            break;
        }
        let (key, value) = row.map_err(engine("read a range"))?;
        collect.row(key.value(), value)?;
    }
    collect.finish()
}

/// Where the rows of `start` begin. A start that is a key and NUL, "after that key", is after the rows
/// of that key.
fn first_row(start: &str) -> Vec<u8> {
    let mut row = start.as_bytes().to_vec();
    if let Some(last) = row.last_mut().filter(|last| **last == 0) {
        *last = 1;
    }
    row
}

fn empty(revision: Revision) -> RangeResult {
    RangeResult { kvs: Vec::new(), revision, more: false, count: 0 }
}

/// Folds the versions of each key, oldest first, to the newest one that counts.
struct Collect<'a> {
    limit: usize,
    result: RangeResult,
    newest: Option<(Key, Revision, AccessGuard<'a, &'static [u8]>)>,
}

impl<'a> Collect<'a> {
    fn row(&mut self, row: &[u8], value: AccessGuard<'a, &'static [u8]>) -> Result<(), StoreError> {
        let (key, revision) = tables::parse_row_key(row)?;
        let known = match self.newest.take() {
            Some((known, _, _)) if *known == *key && revision <= self.result.revision => Some(known),
            newest => {
                self.newest = newest;
                None
            }
        };
        if revision > self.result.revision {
            return Ok(());
        }
        if known.is_none() {
            self.flush()?;
        }
        self.newest = Some((known.unwrap_or_else(|| key.into()), revision, value));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let Some((key, mod_revision, row)) = self.newest.take() else { return Ok(()) };
        let Some(value) = tables::parse_row(row.value())? else { return Ok(()) };
        self.result.count += 1;
        if self.limit == 0 || self.result.kvs.len() < self.limit {
            let value = Bytes::copy_from_slice(value);
            self.result.kvs.push(KeyValue { key, value, mod_revision });
        } else {
            self.result.more = true;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<RangeResult, StoreError> {
        self.flush()?;
        Ok(self.result)
    }
}

/// Changes under a prefix after a revision.
pub(super) fn history(
    txn: &ReadTransaction,
    prefix: &str,
    after: Revision,
    limit: usize,
) -> Result<History, StoreError> {
    let meta = Meta::read(txn)?;
    if after < meta.compacted {
        return Err(StoreError::Compacted { asked: after, oldest: meta.compacted });
    }
    let log = txn.open_table(LOG).map_err(engine("open its log"))?;
    let rows = txn.open_table(ROWS).map_err(engine("open its rows"))?;
    let mut changes: Vec<Change> = Vec::new();
    let mut reached = meta.revision.max(after);
    let mut bytes = 0;
    let first = tables::log_key(after.next(), 0);
    for (seen, row) in log.range(first..).map_err(engine("read its log"))?.enumerate() {
        let (place, row) = row.map_err(engine("read its log"))?;
        let revision = tables::log_revision(place.value());
        let full = changes.len() >= limit.max(1) || bytes >= HISTORY_BYTES || seen >= LOG_ROWS;
        let last = Revision(revision.0.saturating_sub(1));
        if full && last > after && changes.last().is_none_or(|change| change.revision <= last) {
            reached = last;
            break;
        }
        let row = LogRow::parse(row.value())?;
        if row.key.starts_with(prefix) {
            let change = change(&rows, revision, &row)?;
            bytes += change.value.as_ref().map_or(0, Bytes::len);
            changes.push(change);
        }
    }
    Ok(History { changes, reached })
}

fn change(
    rows: &impl redb::ReadableTable<&'static [u8], &'static [u8]>,
    revision: Revision,
    row: &LogRow<'_>,
) -> Result<Change, StoreError> {
    let found = rows.get(tables::row_key(row.key, revision).as_slice()).map_err(engine("read a key"))?;
    let found = found.ok_or_else(|| tables::damaged("rows", "a version in the log is missing"))?;
    let value = tables::parse_row(found.value())?.map(Bytes::copy_from_slice);
    let previous = Some(row.previous).filter(|previous| !previous.is_unset());
    Ok(Change { revision, key: row.key.into(), value, previous })
}

/// Outbox records after a sequence number.
pub(super) fn outbox(
    txn: &ReadTransaction,
    after: u64,
    limit: usize,
) -> Result<Vec<OutboxRecord>, StoreError> {
    let table = txn.open_table(OUTBOX).map_err(engine("open its outbox"))?;
    let found = table.range(after.saturating_add(1)..).map_err(engine("read its outbox"))?;
    let record = |row: Result<(AccessGuard<'_, u64>, AccessGuard<'_, &'static [u8]>), _>| {
        let (sequence, row) = row.map_err(engine::<redb::StorageError>("read its outbox"))?;
        let Some((revision, bytes)) = row.value().split_first_chunk::<8>() else {
            return Err(tables::damaged("outbox", "a record is malformed"));
        };
        Ok(OutboxRecord {
            sequence: sequence.value(),
            revision: Revision(u64::from_be_bytes(*revision)),
            bytes: Bytes::copy_from_slice(bytes),
        })
    };
    found.take(limit).map(record).collect()
}

/// The revision to read at, if it can be read.
fn readable(meta: &Meta, at: Option<Revision>) -> Result<Revision, StoreError> {
    match at {
        None => Ok(meta.revision),
        Some(asked) if asked > meta.revision => Err(StoreError::Future { asked, current: meta.revision }),
        Some(asked) if asked < meta.compacted => Err(StoreError::Compacted { asked, oldest: meta.compacted }),
        Some(asked) => Ok(asked),
    }
}
