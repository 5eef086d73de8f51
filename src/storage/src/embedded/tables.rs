//! The tables of the file and the encoding of their rows.
//!
//! | table | key | value |
//! |---|---|---|
//! | rows | key, NUL, revision | 1 and the value put, or 0 for a delete |
//! | log | revision, place in its transaction | previous revision, time, 1 if a delete, key |
//! | leases | expiry, key | the revision that set it |
//! | outbox | sequence | revision, record |
//! | meta | name | number |
//!
//! Numbers inside byte strings are big-endian, so that bytes sort as what they stand for. Keys hold
//! no NUL, so that rows sort by key first.

use std::path::Path;

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::files::engine;
use crate::{Revision, StoreError};

pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(super) const LOG: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("log");
pub(super) const LEASES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("leases");
pub(super) const OUTBOX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("outbox");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;

/// All tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) rows: Table<'t, &'static [u8], &'static [u8]>,
    pub(super) log: Table<'t, u128, &'static [u8]>,
    pub(super) leases: Table<'t, &'static [u8], u64>,
    pub(super) outbox: Table<'t, u64, &'static [u8]>,
    meta: Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            rows: txn.open_table(ROWS).map_err(engine("open its rows"))?,
            log: txn.open_table(LOG).map_err(engine("open its log"))?,
            leases: txn.open_table(LEASES).map_err(engine("open its leases"))?,
            outbox: txn.open_table(OUTBOX).map_err(engine("open its outbox"))?,
            meta: txn.open_table(META).map_err(engine("open its meta table"))?,
        })
    }

    /// Writes what changed between two states of the counters.
    pub(super) fn put_meta(&mut self, from: &Meta, to: &Meta) -> Result<(), StoreError> {
        for ((name, old), (_, new)) in from.fields().into_iter().zip(to.fields()) {
            if old != new {
                self.meta.insert(name, new).map_err(engine("write its counters"))?;
            }
        }
        Ok(())
    }
}

/// The store's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meta {
    /// The newest revision.
    pub(super) revision: Revision,
    /// The oldest revision that can be read.
    pub(super) compacted: Revision,
    /// The sequence number of the newest outbox record.
    pub(super) outbox: u64,
}

impl Meta {
    /// The counters of a new store.
    pub(super) fn first() -> Self {
        Self { revision: Revision::FIRST, compacted: Revision::FIRST, outbox: 0 }
    }

    /// The counters as a snapshot has them.
    pub(super) fn read(txn: &ReadTransaction) -> Result<Self, StoreError> {
        let table = txn.open_table(META).map_err(engine("open its meta table"))?;
        let number = |name| -> Result<u64, StoreError> {
            let found = table.get(name).map_err(engine("read its counters"))?;
            found.map(|value| value.value()).ok_or_else(|| damaged(name, "the counter is missing"))
        };
        Ok(Self {
            revision: Revision(number("revision")?),
            compacted: Revision(number("compacted")?),
            outbox: number("outbox")?,
        })
    }

    fn fields(&self) -> [(&'static str, u64); 3] {
        [("revision", self.revision.0), ("compacted", self.compacted.0), ("outbox", self.outbox)]
    }
}

/// Makes all tables of a new store.
pub(super) fn create(txn: &WriteTransaction, meta: &Meta) -> Result<(), StoreError> {
    let mut tables = Tables::open(txn)?;
    tables.meta.insert("format", FORMAT).map_err(engine("write its format"))?;
    for (name, number) in meta.fields() {
        tables.meta.insert(name, number).map_err(engine("write its counters"))?;
    }
    Ok(())
}

/// Refuses a file that another version of the format wrote.
pub(super) fn check_format(txn: &ReadTransaction, path: &Path) -> Result<(), StoreError> {
    let place = path.display().to_string();
    let table = match txn.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::Storage(error)) => return Err(engine("read its format")(error)),
        Err(_) => return Err(StoreError::Corrupt { place, reason: "it is not a store".to_owned() }),
    };
    let found = table.get("format").map_err(engine("read its format"))?.map(|value| value.value());
    match found {
        Some(FORMAT) => Ok(()),
        Some(other) => {
            let reason = format!("it has format {other}; this version reads format {FORMAT}");
            Err(StoreError::Corrupt { place, reason })
        }
        None => Err(StoreError::Corrupt { place, reason: "it names no format".to_owned() }),
    }
}

/// The row key of a version of a key.
pub(super) fn row_key(key: &str, revision: Revision) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len() + 9);
    row.extend_from_slice(key.as_bytes());
    row.push(0);
    row.extend_from_slice(&revision.0.to_be_bytes());
    row
}

/// Takes a row key apart.
pub(super) fn parse_row_key(row: &[u8]) -> Result<(&str, Revision), StoreError> {
    let parse = || {
        let (rest, revision) = row.split_last_chunk::<8>()?;
        let (0, key) = rest.split_last()? else { return None };
        Some((std::str::from_utf8(key).ok()?, Revision(u64::from_be_bytes(*revision))))
    };
    parse().ok_or_else(|| damaged("rows", "a key is malformed"))
}

/// The value in a row; `None` for a delete.
pub(super) fn parse_row(row: &[u8]) -> Result<Option<&[u8]>, StoreError> {
    match row.split_first() {
        Some((1, value)) => Ok(Some(value)),
        Some((0, [])) => Ok(None),
        _ => Err(damaged("rows", "a value is malformed")),
    }
}

/// The log key of a transaction's n-th change.
pub(super) fn log_key(revision: Revision, place: u32) -> u128 {
    (u128::from(revision.0) << 32) | u128::from(place)
}

/// The revision in a log key.
pub(super) fn log_revision(key: u128) -> Revision {
    Revision(u64::try_from(key >> 32).unwrap_or(u64::MAX))
}

/// One change as the log keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogRow<'a> {
    /// The revision of the value it replaced; unset if there was none.
    pub(super) previous: Revision,
    /// When it was made, in milliseconds since 1970.
    pub(super) millis: u64,
    /// Whether the key was deleted.
    pub(super) deleted: bool,
    /// The key changed.
    pub(super) key: &'a str,
}

impl<'a> LogRow<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.previous.0.to_be_bytes());
        into.extend_from_slice(&self.millis.to_be_bytes());
        into.push(u8::from(self.deleted));
        into.extend_from_slice(self.key.as_bytes());
    }

    pub(super) fn parse(row: &'a [u8]) -> Result<Self, StoreError> {
        let parse = || {
            let (previous, rest) = row.split_first_chunk::<8>()?;
            let (millis, rest) = rest.split_first_chunk::<8>()?;
            let (deleted, key) = rest.split_first()?;
            Some(Self {
                previous: Revision(u64::from_be_bytes(*previous)),
                millis: u64::from_be_bytes(*millis),
                deleted: *deleted != 0,
                key: std::str::from_utf8(key).ok()?,
            })
        };
        parse().ok_or_else(|| damaged("log", "a row is malformed"))
    }
}

/// The newest version of a key at or before a revision.
pub(super) struct Version {
    pub(super) revision: Revision,
    /// `None` if that version is a delete.
    pub(super) value: Option<bytes::Bytes>,
}

/// Finds the newest version of `key` at or before `at`; with the value only if it is asked for.
pub(super) fn version_at(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &str,
    at: Revision,
    with_value: bool,
) -> Result<Option<Version>, StoreError> {
    let (first, last) = (row_key(key, Revision::UNSET), row_key(key, at));
    let mut found = rows.range(first.as_slice()..=last.as_slice()).map_err(engine("read a key"))?;
    let Some(row) = found.next_back() else { return Ok(None) };
    let (key, value) = row.map_err(engine("read a key"))?;
    let (_, revision) = parse_row_key(key.value())?;
    let value = parse_row(value.value())?.map(|bytes| match with_value {
        true => bytes::Bytes::copy_from_slice(bytes),
        false => bytes::Bytes::new(),
    });
    Ok(Some(Version { revision, value }))
}

/// The lease key of an expiry.
pub(super) fn lease_key(expiry_millis: u64, key: &str) -> Vec<u8> {
    let mut lease = Vec::with_capacity(key.len() + 8);
    lease.extend_from_slice(&expiry_millis.to_be_bytes());
    lease.extend_from_slice(key.as_bytes());
    lease
}

/// Takes a lease key apart.
pub(super) fn parse_lease_key(lease: &[u8]) -> Result<(u64, &str), StoreError> {
    let parse = || {
        let (expiry, key) = lease.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*expiry), std::str::from_utf8(key).ok()?))
    };
    parse().ok_or_else(|| damaged("leases", "a key is malformed"))
}

pub(super) fn damaged(place: &str, reason: &str) -> StoreError {
    StoreError::Corrupt { place: place.to_owned(), reason: reason.to_owned() }
}
