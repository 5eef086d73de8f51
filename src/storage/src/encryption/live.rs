//! Encryption that can be exchanged while the server runs, because its file changed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::Encryption;
use crate::coded::{Codec, CodecError};

/// Seals and opens values by what was put here last.
pub struct LiveEncryption {
    current: ArcSwap<Encryption>,
    changed: watch::Sender<u64>,
}

impl LiveEncryption {
    /// Begins with an encryption.
    pub fn new(first: Encryption) -> Self {
        let changed = watch::Sender::new(0);
        Self { current: ArcSwap::from_pointee(first.telling(changed.clone())), changed }
    }

    /// What is in use.
    pub fn current(&self) -> Arc<Encryption> {
        self.current.load_full()
    }

    /// Puts another encryption into use and keeps asking its plugins.
    pub fn replace(&self, next: Encryption) {
        let next = next.telling(self.changed.clone());
        next.keep_probing();
        self.current.store(Arc::new(next));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever values can be opened, or are to be sealed, that were not before.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl Codec for LiveEncryption {
    fn seal(&self, key: &str, value: Bytes) -> Result<Bytes, CodecError> {
        self.current.load().seal(key, value)
    }

    fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, CodecError> {
        self.current.load().open(key, stored)
    }

    fn is_stale(&self, key: &str, stored: &[u8]) -> bool {
        self.current.load().is_stale(key, stored)
    }

    fn unlock(&self, values: &mut dyn Iterator<Item = (&str, &[u8])>) -> Option<BoxFuture<'static, ()>> {
        self.current.load().unlock(values)
    }
}

impl std::fmt::Debug for LiveEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LiveEncryption").field(&*self.current.load()).finish()
    }
}
