//! The contract every engine fulfils: etcd's semantics in a few types.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::{Revision, StoreError};

/// The longest key.
const KEY_BYTES: usize = 16 << 10;

/// A key, shared between the store, the cache and its events.
pub type Key = Arc<str>;

/// A revisioned, transactional key-value store.
///
/// Object safe; one `Arc<dyn Store>` serves the whole process.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The newest revision whose effects observers have seen. Never waits.
    fn current_revision(&self) -> Revision;

    /// A revision at least as new as every write acknowledged before this call, anywhere, once the
    /// observers have seen it. What a linearizable read waits for; the embedded store returns at once.
    async fn fresh(&self) -> Result<Revision, StoreError>;

    /// Waits until observers have seen `revision`.
    async fn wait_until(&self, revision: Revision) -> Result<(), StoreError> {
        let mut progress = self.progress();
        match progress.wait_for(|seen| *seen >= revision).await {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// One key as of `at`, or now.
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<KeyValue>, StoreError>;

    /// The keys of an interval as of one revision.
    async fn range(&self, range: Range) -> Result<RangeResult, StoreError>;

    /// Makes all of a transaction durable at one new revision, if all its guards hold.
    async fn commit(&self, txn: Txn) -> Result<CommitOutcome, StoreError>;

    /// Up to `limit` changes under `prefix` made after `after`, oldest first. A transaction's changes are
    /// never split. See [`StoreWatch`](crate::StoreWatch) for following it.
    async fn history(&self, prefix: &str, after: Revision, limit: usize) -> Result<History, StoreError>;

    /// Forgets what is only needed for reads before `to`.
    async fn compact(&self, to: Revision) -> Result<(), StoreError>;

    /// The oldest revision that can be read.
    fn oldest_revision(&self) -> Revision;

    /// A channel that always holds [`Self::current_revision`].
    fn progress(&self) -> watch::Receiver<Revision>;

    /// Adds an observer, called for every commit from now on, in revision order, before the commit is
    /// acknowledged (embedded) or as it arrives (remote). Returns the revision it starts after.
    fn observe(&self, observer: Box<dyn Observer>) -> Result<Revision, StoreError>;

    /// The sequence number of the newest outbox record that observers have seen committed; zero for none.
    fn newest_outbox(&self) -> u64 {
        0
    }

    /// Up to `limit` outbox records after `after`, oldest first.
    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxRecord>, StoreError>;

    /// Drops the outbox records up to and including `sequence`; durable with some later commit, so a
    /// crash may show drained records again.
    async fn drain_outbox(&self, sequence: u64) -> Result<(), StoreError>;

    /// Finishes what is queued and releases the store; later calls fail with [`StoreError::Closed`].
    async fn close(&self) -> Result<(), StoreError>;
}

/// Sees every commit, synchronously and in order. It must be quick and must not call the store.
pub trait Observer: Send {
    /// What must be waited for before these values are shown, if anything: a remote store waits for it, since
    /// it may show values that others wrote.
    fn prepare(&self, values: &mut dyn Iterator<Item = (&str, &[u8])>) -> Option<BoxFuture<'static, ()>> {
        let _ = values;
        None
    }

    /// The changes of one or more consecutive transactions; `revision` is the last one's.
    fn committed(&mut self, changes: &[Change], revision: Revision);

    /// Changes were lost, because a remote store forgot them before they arrived: `all` is what there is
    /// at `revision`, in key order.
    fn rebuilt(&mut self, all: &[KeyValue], revision: Revision);
}

/// A key with its value and the revision that wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// The value as it was put.
    pub value: Bytes,
    /// The revision that put it.
    pub mod_revision: Revision,
}

/// What to read: `start <= key < end`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Range {
    /// The first key.
    pub start: String,
    /// The key to stop before; empty for no end.
    pub end: String,
    /// How many keys at most; zero for all.
    pub limit: usize,
    /// The revision to read at; now if `None`.
    pub at: Option<Revision>,
    /// Whether it need not be known how many keys there are beyond the limit.
    pub uncounted: bool,
}

impl Range {
    /// All keys that start with `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self { start: prefix.to_owned(), end: crate::keys::prefix_end(prefix), ..Self::default() }
    }

    /// The same range as of `revision`.
    #[must_use]
    pub fn at(self, revision: Revision) -> Self {
        Self { at: Some(revision), ..self }
    }

    /// The same range, cut after `limit` keys.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// What a range read found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeResult {
    /// The keys in order, up to the limit.
    pub kvs: Vec<KeyValue>,
    /// The revision they were read at.
    pub revision: Revision,
    /// Whether the limit cut the result.
    pub more: bool,
    /// How many keys the whole interval holds, whatever the limit; at least those shown if it was not counted.
    pub count: usize,
}

/// A transaction: all guards hold and everything is written at one revision, or nothing is.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// What must hold, checked in order.
    pub guards: Vec<Guard>,
    /// What to write; no key twice.
    pub ops: Vec<Op>,
    /// A record made durable in the same commit, for whoever drains the outbox. Nothing is recorded
    /// when a guard fails.
    pub outbox: Option<Bytes>,
}

impl Txn {
    /// Creates `key`, which must not exist.
    pub fn create(key: Key, value: Bytes) -> Self {
        Self::one(Guard { key: key.clone(), expect: Expect::Absent }, Op::Put { key, value, ttl: None })
    }

    /// Replaces `key`, which must still be as `seen` wrote it.
    pub fn update(key: Key, seen: Revision, value: Bytes) -> Self {
        let guard = Guard { key: key.clone(), expect: Expect::ModRevision(seen) };
        Self::one(guard, Op::Put { key, value, ttl: None })
    }

    /// Deletes `key`, which must still be as `seen` wrote it.
    pub fn delete(key: Key, seen: Revision) -> Self {
        Self::one(Guard { key: key.clone(), expect: Expect::ModRevision(seen) }, Op::Delete { key })
    }

    /// The same transaction with an outbox record.
    #[must_use]
    pub fn with_outbox(self, record: Bytes) -> Self {
        Self { outbox: Some(record), ..self }
    }

    /// Refuses what no store could make.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let guarded = self.guards.iter().map(|guard| &guard.key);
        for key in guarded.chain(self.ops.iter().map(Op::key)) {
            if key.is_empty() || key.len() > KEY_BYTES || key.contains('\0') {
                return Err(StoreError::Invalid(format!("{key:?} cannot be a key")));
            }
        }
        if self.ops.len() > 1 {
            let mut seen = HashSet::new();
            if let Some(twice) = self.ops.iter().find(|op| !seen.insert(op.key())) {
                return Err(StoreError::Invalid(format!("{:?} is written twice", twice.key())));
            }
        }
        Ok(())
    }

    fn one(guard: Guard, op: Op) -> Self {
        Self { guards: vec![guard], ops: vec![op], outbox: None }
    }
}

/// What must be true of a key for a transaction to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guard {
    /// The key.
    pub key: Key,
    /// What it must be like.
    pub expect: Expect,
}

/// The state a [`Guard`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists and was last written at this revision.
    ModRevision(Revision),
    /// The key exists.
    Present,
    /// Anything; never fails.
    Any,
}

/// One effect of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Writes a value.
    Put {
        /// The key.
        key: Key,
        /// The new value.
        value: Bytes,
        /// How long the key lives, if not for ever. A later put without one makes it live for ever.
        ttl: Option<Duration>,
    },
    /// Removes a key; does nothing if it is not there.
    Delete {
        /// The key.
        key: Key,
    },
}

impl Op {
    /// The key it writes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// How a transaction ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitOutcome {
    /// It is durable, and observers have seen it.
    Committed {
        /// Its revision. A transaction that changed nothing (only deletes of absent keys, or no
        /// operation) takes none and reports the store's.
        revision: Revision,
        /// For each operation, the revision of the value it replaced or deleted.
        previous: Vec<Option<Revision>>,
    },
    /// A guard did not hold; nothing was written.
    Conflict {
        /// The index of the first guard that failed.
        guard: usize,
        /// What that guard's key holds.
        current: Option<KeyValue>,
        /// The store's revision when it failed.
        revision: Revision,
    },
}

/// One key changed by a committed transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The transaction's revision.
    pub revision: Revision,
    /// The key.
    pub key: Key,
    /// The value put, or `None` for a delete.
    pub value: Option<Bytes>,
    /// The revision of the value replaced or deleted; `None` if the key is new.
    pub previous: Option<Revision>,
}

/// A stretch of the store's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// There is no other change under the prefix up to this revision.
    pub reached: Revision,
}

/// A record somebody left beside a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxRecord {
    /// Its place in the outbox; strictly increasing, never reused.
    pub sequence: u64,
    /// The revision of the store when it was written.
    pub revision: Revision,
    /// The record.
    pub bytes: Bytes,
}
