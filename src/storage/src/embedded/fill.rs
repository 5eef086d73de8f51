//! Filling a new file with what another store holds, at the revisions it was written at.

use super::batch::Batch;
use super::files::{self, Db};
use super::lock::StoreLock;
use super::tables::{self, Meta};
use super::{Embedded, Options};
use crate::dump::{DumpError, DumpFile, TTL_OF_EVENTS, ends};
use crate::{Revision, StoreError};

impl Embedded {
    /// Makes a store that holds what a dump does, all or nothing. A store that was ever written to is refused.
    /// One that was filled up to the same revision and not written since is left as it is, for the caller to
    /// compare: whoever filled it may have been killed before they could say so.
    ///
    /// # Errors
    /// When there is other data, or the disk fails.
    pub fn fill(options: &Options, dump: &DumpFile) -> Result<(), StoreError> {
        let lock = StoreLock::take(&options.path)?;
        let db = Db::open(options)?;
        let found = db.read("read its counters", Meta::read)?;
        let revision = dump.summary().revision;
        if found.revision == revision && found.compacted == revision {
            return db.close();
        }
        if found.revision != Revision::FIRST {
            let place = options.path.display();
            return Err(StoreError::Occupied(format!(
                "{place} holds other data, up to revision {}",
                found.revision
            )));
        }
        let filled = Meta { revision, compacted: revision, outbox: found.outbox };
        db.write(|txn| {
            let mut batch = Batch::open(txn, found, options.now_millis())?;
            put_all(&mut batch, dump)?;
            batch.tables.put_meta(&found, &filled)?;
            Ok(true)
        })?;
        db.close()?;
        drop(lock);
        Ok(())
    }
}

fn put_all(batch: &mut Batch<'_>, dump: &DumpFile) -> Result<(), StoreError> {
    let ttl = u64::try_from(TTL_OF_EVENTS.as_millis()).unwrap_or(u64::MAX);
    let end = batch.now.saturating_add(ttl);
    let mut keys = dump.keys().map_err(damaged)?;
    while let Some(kv) = keys.next_key().map_err(damaged)? {
        batch.put_version(&kv.key, kv.mod_revision, Some(&kv.value))?;
        if ends(&kv.key) {
            let lease = tables::lease_key(end, &kv.key);
            let put = batch.tables.leases.insert(lease.as_slice(), kv.mod_revision.0);
            put.map_err(files::engine("write a lease"))?;
        }
    }
    Ok(())
}

fn damaged(error: DumpError) -> StoreError {
    StoreError::Corrupt { place: "the dump".to_owned(), reason: error.to_string() }
}
