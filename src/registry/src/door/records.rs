//! What the server writes beside the objects of requests: records of what was handed out, and of itself.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_api::{Object, Result};
use portcullis_storage::{CommitOutcome, Key, Op, Revision, Txn};

use super::{reference, storage_error};
use crate::Registry;
use crate::call::Call;

/// Records of what requests were given beside what they stored.
impl Registry {
    /// Commits the record of something that is no object itself, with the audit record of its request; false if a
    /// guard failed.
    pub(crate) async fn commit_record(&self, call: &Call<'_>, txn: Txn, about: &Object) -> Result<bool> {
        let outbox = call.slot.outbox(&reference(about), StatusCode::CREATED);
        let stored = self.store_guarded(&call.slot, Txn { outbox, ..txn }, None, &[]).await?;
        Ok(stored.is_some())
    }

    /// Commits what the server writes down of itself; false if a guard failed.
    pub(crate) async fn commit_own(&self, txn: Txn) -> Result<bool> {
        let outcome = self.store().commit(txn).await.map_err(storage_error)?;
        Ok(matches!(outcome, CommitOutcome::Committed { .. }))
    }
}

/// Keys that are no objects: the server's own records beside them.
impl Registry {
    /// Removes a record that is as it was seen; false if it is not any more.
    pub(crate) async fn forget(&self, key: Key, seen: Revision) -> Result<bool> {
        self.commit_own(Txn::delete(key, seen)).await
    }

    /// Writes a record, which ends by itself if a time is given.
    pub(crate) async fn record(&self, key: Key, value: Bytes, ttl: Option<Duration>) -> Result<()> {
        let ops = vec![Op::Put { key, value, ttl }];
        self.commit_own(Txn { ops, ..Txn::default() }).await.map(drop)
    }
}
