//! Writing again what is not sealed as it would be now: after a key was rotated, or encryption begun.
//!
//! What is found is what is left to do, so an interrupted run is simply begun again. A value that somebody
//! writes meanwhile is sealed by that write.

use crate::coded::Codec;
use crate::{CommitOutcome, Op, Range, Store, StoreError, Txn};

const PAGE: usize = 10_000;

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
    let mut start = String::new();
    loop {
        let page = store.range(Range { start, limit: PAGE, ..Range::default() }).await?;
        done.of = done.seen.saturating_add(page.count);
        for kv in &page.kvs {
            done.seen += 1;
            if !codec.is_stale(&kv.key, &kv.value) {
                continue;
            }
            let Ok(value) = codec.open(&kv.key, kv.value.clone()) else {
                done.unreadable += 1;
                continue;
            };
            let sealed = codec.seal(&kv.key, value);
            let value =
                sealed.map_err(|error| StoreError::Sealing { key: kv.key.to_string(), reason: error.0 })?;
            let ttl = crate::dump::ends(&kv.key).then_some(crate::dump::TTL_OF_EVENTS);
            let mut txn = Txn::update(kv.key.clone(), kv.mod_revision, value.clone());
            txn.ops = vec![Op::Put { key: kv.key.clone(), value, ttl }];
            if let CommitOutcome::Committed { .. } = store.commit(txn).await? {
                done.written += 1;
            }
        }
        told(done);
        match page.kvs.last().filter(|_| page.more) {
            Some(last) => start = format!("{}\0", last.key),
            None => return Ok(done),
        }
    }
}
