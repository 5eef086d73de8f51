//! The public keys that service account tokens are checked with.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use portcullis_pki::VerifyingKey;

/// A set of keys, replaced as a whole when keys rotate.
pub struct KeySet(ArcSwap<Keys>);

pub(crate) struct Keys {
    pub(crate) generation: u64,
    all: Vec<Arc<VerifyingKey>>,
    by_id: HashMap<String, Arc<VerifyingKey>>,
    jwks: Bytes,
}

impl KeySet {
    /// A set of keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(Keys::new(keys))))
    }

    /// Replaces the keys: tokens of keys that are gone are refused from now on.
    pub fn replace(&self, keys: Vec<VerifyingKey>) {
        self.0.store(Arc::new(Keys::new(keys)));
    }

    /// The JSON Web Key Set, as `/openid/v1/jwks` serves it.
    pub fn jwks(&self) -> Bytes {
        self.0.load().jwks.clone()
    }

    /// The algorithms the keys sign with, sorted.
    pub fn algorithms(&self) -> Vec<String> {
        let keys = self.0.load();
        let names: BTreeSet<_> = keys.all.iter().map(|key| key.algorithm().as_str()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The discovery document, as `/.well-known/openid-configuration` serves it.
    pub fn discovery(&self, issuer: &str, jwks_uri: &str) -> Bytes {
        let document = serde_json::json!({
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.algorithms(),
        });
        document.to_string().into()
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.0.load()
    }
}

impl Keys {
    fn new(keys: Vec<VerifyingKey>) -> Self {
        // One count for the process: two sets never share a number, whoever replaces them at once.
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let all: Vec<_> = keys.into_iter().map(Arc::new).collect();
        let by_id = all.iter().map(|key| (key.kid().to_owned(), key.clone())).collect();
        let jwks = all.iter().map(|key| key.jwk()).collect::<Vec<_>>().join(",");
        Self { generation, by_id, jwks: format!(r#"{{"keys":[{jwks}]}}"#).into(), all }
    }

    /// Whether a key is still among them.
    pub(crate) fn hold(&self, key: &VerifyingKey) -> bool {
        self.by_id.get(key.kid()).is_some_and(|known| **known == *key)
    }

    /// The keys a token may be signed with: the one it names, or all if it names none.
    pub(crate) fn candidates(&self, kid: Option<&str>) -> Vec<Arc<VerifyingKey>> {
        match kid {
            None | Some("") => self.all.clone(),
            Some(kid) => self.by_id.get(kid).into_iter().cloned().collect(),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.load();
        f.debug_set().entries(keys.all.iter().map(|key| key.kid())).finish()
    }
}
