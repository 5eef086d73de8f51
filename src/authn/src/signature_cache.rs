//! Remembers for a few seconds which tokens had a good signature, and nothing else.
//!
//! Expiry, audiences and the objects a token is bound to are asked every time, so an entry can never
//! outlive them; a rotation of keys changes the generation and thereby forgets all entries. Keys are
//! HMACs under a random key of the process: no token is kept, and no caller can choose collisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use parking_lot::Mutex;
use portcullis_api::UserInfo;
use portcullis_pki::VerifyingKey;

use crate::ConfigError;
use crate::jwt::Claims;

const TTL: Duration = Duration::from_secs(10);
const SHARDS: usize = 16;
const MAX_PER_SHARD: usize = 2048;

/// A token whose signature is good, with the user it would be.
pub(crate) struct Signed {
    pub(crate) claims: Claims,
    pub(crate) user: UserInfo,
    /// The key that signed it.
    pub(crate) key: Arc<VerifyingKey>,
}

pub(crate) struct SignatureCache {
    key: hmac::Key,
    shards: [Mutex<HashMap<[u8; 32], Entry>>; SHARDS],
}

struct Entry {
    generation: u64,
    until: Instant,
    signed: Arc<Signed>,
}

/// A token's place in the cache.
pub(crate) struct Slot([u8; 32]);

impl SignatureCache {
    pub(crate) fn new() -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| ConfigError::NoRandomness)?;
        Ok(Self { key, shards: std::array::from_fn(|_| Mutex::default()) })
    }

    pub(crate) fn slot(&self, token: &str) -> Slot {
        let tag = hmac::sign(&self.key, token.as_bytes());
        let mut slot = [0; 32];
        slot.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Slot(slot)
    }

    pub(crate) fn get(&self, slot: &Slot, generation: u64) -> Option<Arc<Signed>> {
        let shard = self.shard(slot)?.lock();
        let entry = shard.get(&slot.0)?;
        (entry.generation == generation && Instant::now() < entry.until).then(|| entry.signed.clone())
    }

    pub(crate) fn put(&self, slot: &Slot, generation: u64, signed: Arc<Signed>) {
        let Some(shard) = self.shard(slot) else { return };
        let mut shard = shard.lock();
        let now = Instant::now();
        if shard.len() >= MAX_PER_SHARD {
            shard.retain(|_, entry| now < entry.until);
        }
        if shard.len() >= MAX_PER_SHARD {
            shard.clear();
        }
        shard.insert(slot.0, Entry { generation, until: now + TTL, signed });
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, slot: &Slot) -> Option<&Mutex<HashMap<[u8; 32], Entry>>> {
        self.shards.get(usize::from(slot.0[0]) % SHARDS)
    }
}
