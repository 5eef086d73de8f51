//! A store whose values are not what it is asked to keep: sealed on the way in, opened on the way out.
//!
//! A value that cannot be opened is handed on as it is. It is no JSON object, so whoever reads it finds
//! it corrupt and nothing is decided by it; why is in the log.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::{
    Change, CommitOutcome, History, KeyValue, Observer, Op, OutboxRecord, Range, RangeResult, Revision,
    Store, StoreError, Txn,
};

/// How values are kept.
pub trait Codec: Send + Sync + 'static {
    /// The form in which a value is stored under a key.
    ///
    /// # Errors
    /// Why there is none; the write is refused.
    fn seal(&self, key: &str, value: Bytes) -> Result<Bytes, CodecError>;

    /// The value of a stored form.
    ///
    /// # Errors
    /// Why it is not one.
    fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, CodecError>;

    /// Whether a stored form would be another one if it were written now.
    fn is_stale(&self, key: &str, stored: &[u8]) -> bool;

    /// Fetches what opening stored forms needs and what is not at hand; `None` if nothing is. Whether it
    /// succeeded shows when they are opened.
    fn unlock(&self, stored: &mut dyn Iterator<Item = (&str, &[u8])>) -> Option<BoxFuture<'static, ()>> {
        let _ = stored;
        None
    }
}

/// Why a value cannot be sealed or opened. Says nothing of what is in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);

/// A store with a codec above it.
pub struct Coded {
    inner: Arc<dyn Store>,
    codec: Arc<dyn Codec>,
}

impl Coded {
    /// Puts a codec above a store.
    pub fn new(inner: Arc<dyn Store>, codec: Arc<dyn Codec>) -> Self {
        Self { inner, codec }
    }
}

/// Values that are unlocked at once.
const AT_ONCE: usize = 1000;

/// Opens values, in steps that need no more at hand than their own keys.
async fn opened_all(codec: &dyn Codec, kvs: &mut [KeyValue]) {
    for step in kvs.chunks_mut(AT_ONCE) {
        unlock(codec, step.iter().map(|kv| (&*kv.key, &*kv.value))).await;
        for kv in step {
            kv.value = opened(codec, &kv.key, std::mem::take(&mut kv.value));
        }
    }
}

async fn unlock(codec: &dyn Codec, mut values: impl Iterator<Item = (&str, &[u8])> + Send) {
    let unlocking = codec.unlock(&mut values);
    if let Some(unlocking) = unlocking {
        unlocking.await;
    }
}

fn opened(codec: &dyn Codec, key: &str, stored: Bytes) -> Bytes {
    codec.open(key, stored.clone()).unwrap_or_else(|error| {
        tracing::error!(key, error = &error as &dyn std::error::Error, "Stored value cannot be opened");
        stored
    })
}

fn opened_change(codec: &dyn Codec, change: Change) -> Change {
    let value = change.value.map(|stored| opened(codec, &change.key, stored));
    Change { value, ..change }
}

fn sealed(codec: &dyn Codec, op: Op) -> Result<Op, StoreError> {
    match op {
        Op::Put { key, value, ttl } => match codec.seal(&key, value) {
            Ok(value) => Ok(Op::Put { key, value, ttl }),
            Err(error) => Err(StoreError::Sealing { key: key.to_string(), reason: error.0 }),
        },
        delete @ Op::Delete { .. } => Ok(delete),
    }
}

#[async_trait]
impl Store for Coded {
    fn current_revision(&self) -> Revision {
        self.inner.current_revision()
    }

    async fn fresh(&self) -> Result<Revision, StoreError> {
        self.inner.fresh().await
    }

    async fn wait_until(&self, revision: Revision) -> Result<(), StoreError> {
        self.inner.wait_until(revision).await
    }

    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<KeyValue>, StoreError> {
        let mut found = self.inner.get(key, at).await?;
        opened_all(&*self.codec, found.as_mut_slice()).await;
        Ok(found)
    }

    async fn range(&self, range: Range) -> Result<RangeResult, StoreError> {
        let mut found = self.inner.range(range).await?;
        opened_all(&*self.codec, &mut found.kvs).await;
        Ok(found)
    }

    async fn commit(&self, txn: Txn) -> Result<CommitOutcome, StoreError> {
        let ops = txn.ops.into_iter().map(|op| sealed(&*self.codec, op)).collect::<Result<_, _>>()?;
        Ok(match self.inner.commit(Txn { ops, ..txn }).await? {
            CommitOutcome::Conflict { guard, mut current, revision } => {
                opened_all(&*self.codec, current.as_mut_slice()).await;
                CommitOutcome::Conflict { guard, current, revision }
            }
            committed @ CommitOutcome::Committed { .. } => committed,
        })
    }

    async fn history(&self, prefix: &str, after: Revision, limit: usize) -> Result<History, StoreError> {
        let found = self.inner.history(prefix, after, limit).await?;
        let values =
            found.changes.iter().filter_map(|change| Some((&*change.key, &**change.value.as_ref()?)));
        unlock(&*self.codec, values).await;
        let changes = found.changes.into_iter().map(|change| opened_change(&*self.codec, change)).collect();
        Ok(History { changes, ..found })
    }

    async fn compact(&self, to: Revision) -> Result<(), StoreError> {
        self.inner.compact(to).await
    }

    fn oldest_revision(&self) -> Revision {
        self.inner.oldest_revision()
    }

    fn progress(&self) -> watch::Receiver<Revision> {
        self.inner.progress()
    }

    fn observe(&self, observer: Box<dyn Observer>) -> Result<Revision, StoreError> {
        self.inner.observe(Box::new(Opening { observer, codec: self.codec.clone() }))
    }

    fn newest_outbox(&self) -> u64 {
        self.inner.newest_outbox()
    }

    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxRecord>, StoreError> {
        self.inner.outbox(after, limit).await
    }

    async fn drain_outbox(&self, sequence: u64) -> Result<(), StoreError> {
        self.inner.drain_outbox(sequence).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

impl std::fmt::Debug for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coded").finish_non_exhaustive()
    }
}

/// Opens values before an observer sees them.
struct Opening {
    observer: Box<dyn Observer>,
    codec: Arc<dyn Codec>,
}

impl Observer for Opening {
    fn prepare(&self, values: &mut dyn Iterator<Item = (&str, &[u8])>) -> Option<BoxFuture<'static, ()>> {
        self.codec.unlock(values)
    }

    fn committed(&mut self, changes: &[Change], revision: Revision) {
        let changes: Vec<_> =
            changes.iter().map(|change| opened_change(&*self.codec, change.clone())).collect();
        self.observer.committed(&changes, revision);
    }

    fn rebuilt(&mut self, all: &[KeyValue], revision: Revision) {
        let open =
            |kv: &KeyValue| KeyValue { value: opened(&*self.codec, &kv.key, kv.value.clone()), ..kv.clone() };
        let all: Vec<_> = all.iter().map(open).collect();
        self.observer.rebuilt(&all, revision);
    }
}

/// Reads a value that another implementation of the API stored under a key in a form of its own; `None` for one
/// that is as it should be.
pub type Foreign = Arc<dyn Fn(&str, &[u8]) -> Option<Result<Vec<u8>, String>> + Send + Sync>;

/// Keeps JSON as it is and reads what upstream stored otherwise.
pub struct Plain {
    foreign: Foreign,
}

impl Plain {
    /// A codec that has other values read by `foreign`.
    pub fn new(foreign: Foreign) -> Self {
        Self { foreign }
    }
}

impl Codec for Plain {
    fn seal(&self, _: &str, value: Bytes) -> Result<Bytes, CodecError> {
        Ok(value)
    }

    fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, CodecError> {
        match (self.foreign)(key, &stored) {
            None => Ok(stored),
            Some(read) => read.map(Bytes::from).map_err(CodecError),
        }
    }

    fn is_stale(&self, _: &str, _: &[u8]) -> bool {
        false
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").finish_non_exhaustive()
    }
}
