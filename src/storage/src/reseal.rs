//! Writing again what is not sealed as it would be now: after a key was rotated, or encryption begun.
//!
//! What is found is what is left to do, so an interrupted run is simply begun again. A value that somebody
//! writes meanwhile is sealed by that write.

use bytes::Bytes;

use crate::coded::Codec;
use crate::dump::{self, Pages};
use crate::{CommitOutcome, KeyValue, Op, Store, StoreError, Txn};

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resealed {
    /// Keys looked at.
    pub seen: usize,
    /// Keys there are, about.
    pub of: usize,
    /// Values written again.
    pub written: usize,
    /// Values that cannot be opened; they are left as they are.
    pub unreadable: usize,
}

/// Goes through a store once. Give the engine itself, without the codec; `told` hears of every page.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn reseal(
    store: &dyn Store,
    codec: &dyn Codec,
    mut told: impl FnMut(Resealed),
) -> Result<Resealed, StoreError> {
    let mut done = Resealed::default();
    let mut pages = Pages::as_they_are(store);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            return Ok(done);
        }
        done.of = pages.keys().max(done.seen + page.len());
        let stale = |kv: &&KeyValue| codec.is_stale(&kv.key, &kv.value);
        let left: Vec<&KeyValue> = page.iter().filter(stale).collect();
        if let Some(unlocking) = codec.unlock(&mut left.iter().map(|kv| (&*kv.key, &*kv.value))) {
            unlocking.await;
        }
        for kv in left {
            match codec.open(&kv.key, kv.value.clone()) {
                Ok(value) => done.written += usize::from(write(store, codec, kv, value).await?),
                Err(_) => done.unreadable += 1,
            }
        }
        done.seen += page.len();
        told(done);
    }
}

/// Writes a value sealed as it would be now, unless somebody else wrote it meanwhile.
async fn write(
    store: &dyn Store,
    codec: &dyn Codec,
    kv: &KeyValue,
    value: Bytes,
) -> Result<bool, StoreError> {
    let sealed = codec.seal(&kv.key, value);
    let value = sealed.map_err(|error| StoreError::Sealing { key: kv.key.to_string(), reason: error.0 })?;
    let ttl = dump::ends(&kv.key).then_some(dump::TTL_OF_EVENTS);
    let mut txn = Txn::update(kv.key.clone(), kv.mod_revision, value.clone());
    txn.ops = vec![Op::Put { key: kv.key.clone(), value, ttl }];
    Ok(matches!(store.commit(txn).await?, CommitOutcome::Committed { .. }))
}
