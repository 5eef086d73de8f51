//! Forgetting: which history is too old, and its removal in small steps.
//!
//! A log row of revision r names the version its change replaced. Once reads before r are no longer
//! promised, that older version goes, and the row itself; a delete's own row goes too. What remains of
//! every key is the version that a read at the compacted revision needs.

use redb::ReadableTable;

use super::Options;
use super::batch::Batch;
use super::files::engine;
use super::tables::{self, LogRow};
use crate::{Revision, StoreError};

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    window_millis: u64,
    revisions: u64,
    /// Asked for by a caller: everything up to here goes, whatever its age.
    pub(super) forced: Revision,
}

impl Keep {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            window_millis: u64::try_from(options.history_window.as_millis()).unwrap_or(u64::MAX),
            revisions: options.history_revisions.max(1),
            forced: Revision::UNSET,
        }
    }

    fn forgets(&self, revision: Revision, millis: u64, batch: &Batch<'_>) -> bool {
        revision <= self.forced
            || self.expiry(millis) <= batch.now
            || revision.0.saturating_add(self.revisions) <= batch.meta.revision.0
    }

    fn expiry(&self, millis: u64) -> u64 {
        millis.saturating_add(self.window_millis)
    }
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// More is to be forgotten now.
    More,
    /// Nothing more now; the oldest row kept falls due then, in milliseconds since 1970.
    Done { due: Option<u64> },
}

/// Forgets up to about `budget` changes; a transaction's changes go together.
pub(super) fn step(batch: &mut Batch<'_>, keep: &Keep, budget: usize) -> Result<Step, StoreError> {
    let mut forgotten = 0;
    loop {
        let Some((place, row)) = oldest(batch)? else { return Ok(Step::Done { due: None }) };
        let revision = tables::log_revision(place);
        let change = LogRow::parse(&row)?;
        let started = revision == batch.meta.compacted && forgotten > 0;
        if !started && !keep.forgets(revision, change.millis, batch) {
            return Ok(Step::Done { due: Some(keep.expiry(change.millis)) });
        }
        if !started && forgotten >= budget {
            return Ok(Step::More);
        }
        forget(batch, place, revision, &change)?;
        forgotten += 1;
    }
}

fn oldest(batch: &Batch<'_>) -> Result<Option<(u128, Vec<u8>)>, StoreError> {
    let first = batch.tables.log.first().map_err(engine("read its log"))?;
    Ok(first.map(|(place, row)| (place.value(), row.value().to_vec())))
}

fn forget(
    batch: &mut Batch<'_>,
    place: u128,
    revision: Revision,
    change: &LogRow<'_>,
) -> Result<(), StoreError> {
    batch.tables.log.remove(place).map_err(engine("compact its log"))?;
    if !change.previous.is_unset() {
        let older = tables::row_key(change.key, change.previous);
        batch.tables.rows.remove(older.as_slice()).map_err(engine("compact its rows"))?;
    }
    if change.deleted {
        let delete = tables::row_key(change.key, revision);
        batch.tables.rows.remove(delete.as_slice()).map_err(engine("compact its rows"))?;
    }
    batch.meta.compacted = batch.meta.compacted.max(revision);
    batch.written = true;
    Ok(())
}
