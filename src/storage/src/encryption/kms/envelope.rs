//! What lies in the store: a value sealed by a key of its own, and the sealed seed that the key is made of.
//!
//! ```text
//! k8s:enc:kms:v2:<name>: | EncryptedObject { data, key id, sealed seed, annotations, type }
//! data of type 1: info (32 bytes) | nonce | ciphertext | tag, by AES-256-GCM with HKDF-Expand(seed, info)
//! data of type 0: nonce | ciphertext | tag, by AES-GCM with the seed itself (read only)
//! ```
//!
//! Both are bound to the storage key.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use bytes::Bytes;
use portcullis_api::names;
use prost::Message as _;
use zeroize::Zeroizing;

use super::proto::{Annotations, EncryptedObject};
use crate::encryption::sealing::{self, Failed};

/// Bytes of a seed, and of what a value's key is derived with.
pub(super) const SEED: usize = 32;
const INFO: usize = 32;
/// Upstream's bounds on what a plugin may give.
const SOURCE_BYTES: usize = 1 << 10;
const KEY_ID_BYTES: usize = 1 << 10;
const ANNOTATION_BYTES: usize = 32 << 10;
/// Kinds of seeds.
const AES_GCM_KEY: i32 = 0;
const DERIVED: i32 = 1;

/// A seed as the plugin gave it: sealed, with what is needed to open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Source {
    pub(super) kind: i32,
    pub(super) sealed: Vec<u8>,
    pub(super) key_id: String,
    pub(super) annotations: Annotations,
}

/// What tells one sealed seed from another.
pub(super) type SourceId = [u8; 32];

/// A stored value, taken apart.
pub(super) struct Envelope {
    pub(super) source: Source,
    data: Vec<u8>,
}

/// An opened seed. Wiped when dropped, and never shown.
pub(super) struct Seed(Zeroizing<Vec<u8>>);

impl Source {
    /// A seed that keys are derived from, sealed by a plugin.
    pub(super) fn derived(sealed: Vec<u8>, key_id: String, annotations: Annotations) -> Self {
        Self { kind: DERIVED, sealed, key_id, annotations }
    }

    /// Refuses what upstream refuses, in its words.
    pub(super) fn check(&self) -> Result<(), String> {
        if !matches!(self.kind, AES_GCM_KEY | DERIVED) {
            return Err(format!("unknown encryptedDEKSourceType: {}", self.kind));
        }
        check_sealed(&self.sealed)
            .map_err(|why| format!("failed to validate encrypted DEK source: {why}"))?;
        check_key_id(&self.key_id).map_err(|why| format!("failed to validate key id: {why}"))?;
        check_annotations(&self.annotations).map_err(|why| format!("failed to validate annotations: {why}"))
    }

    pub(super) fn id(&self) -> SourceId {
        let mut context = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        add(&self.kind.to_be_bytes());
        add(&self.sealed);
        add(self.key_id.as_bytes());
        for (name, value) in &self.annotations {
            add(name.as_bytes());
            add(value);
        }
        let mut id = SourceId::default();
        id.copy_from_slice(context.finish().as_ref());
        id
    }

    /// Whether a value sealed with this would be sealed with another now.
    pub(super) fn is_stale_beside(&self, now: &Self) -> bool {
        self.key_id != now.key_id || self.kind != now.kind
    }
}

impl Envelope {
    pub(super) fn decode(stored: &[u8]) -> Result<Self, String> {
        let object =
            EncryptedObject::decode(stored).map_err(|_| "it is no envelope of a KMS plugin".to_owned())?;
        if object.encrypted_data.is_empty() {
            return Err("encrypted data is empty".to_owned());
        }
        let source = Source {
            kind: object.encrypted_dek_source_type,
            sealed: object.encrypted_dek_source,
            key_id: object.key_id,
            annotations: object.annotations,
        };
        source.check()?;
        Ok(Self { source, data: object.encrypted_data })
    }

    /// Opens what is inside.
    pub(super) fn open(&self, seed: &Seed, key: &str) -> Result<Bytes, Failed> {
        if self.source.kind == AES_GCM_KEY {
            return sealing::open_gcm(sealing::gcm_key(&seed.0)?, key, &self.data);
        }
        let (info, sealed) = self.data.split_first_chunk::<INFO>().ok_or(Failed)?;
        sealing::open_gcm(seed.key(info)?, key, sealed)
    }
}

impl Seed {
    /// Takes a seed over from a plugin, if it can be one of its kind.
    pub(super) fn opened(plaintext: Vec<u8>, kind: i32) -> Option<Self> {
        let plaintext = Zeroizing::new(plaintext);
        let fits = if kind == AES_GCM_KEY {
            matches!(plaintext.len(), 16 | 24 | 32)
        } else {
            plaintext.len() >= SEED
        };
        fits.then_some(Self(plaintext))
    }

    /// Makes a fresh one.
    pub(super) fn random() -> Result<Self, Failed> {
        Ok(Self(Zeroizing::new(sealing::random::<SEED>()?.to_vec())))
    }

    pub(super) fn plaintext(&self) -> &[u8] {
        &self.0
    }

    /// Seals a value with a key of its own, as an envelope that names this seed's source.
    pub(super) fn seal(
        &self,
        source: &Source,
        key: &str,
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        let info = sealing::random::<INFO>()?;
        let mut encrypted_data = info.to_vec();
        sealing::seal_gcm(self.key(&info)?, key, value, &mut encrypted_data)?;
        let object = EncryptedObject {
            encrypted_data,
            key_id: source.key_id.clone(),
            encrypted_dek_source: source.sealed.clone(),
            annotations: source.annotations.clone(),
            encrypted_dek_source_type: source.kind,
        };
        object.encode(out).map_err(|_| Failed)
    }

    fn key(&self, info: &[u8]) -> Result<aws_lc_rs::aead::LessSafeKey, Failed> {
        let info = [info];
        let derived = Prk::new_less_safe(HKDF_SHA256, &self.0);
        let derived = derived.expand(&info, &aws_lc_rs::aead::AES_256_GCM).map_err(|_| Failed)?;
        Ok(aws_lc_rs::aead::LessSafeKey::new(derived.into()))
    }
}

fn check_sealed(sealed: &[u8]) -> Result<(), String> {
    match sealed.len() {
        0 => Err("encrypted DEK source is empty".to_owned()),
        length if length > SOURCE_BYTES => Err(format!(
            "encrypted DEK source is {length} bytes, which exceeds the max size of {SOURCE_BYTES}"
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_key_id(key_id: &str) -> Result<(), String> {
    match key_id.len() {
        0 => Err("keyID is empty".to_owned()),
        length if length > KEY_ID_BYTES => {
            Err(format!("keyID is {length} bytes, which exceeds the max size of {KEY_ID_BYTES}"))
        }
        _ => Ok(()),
    }
}

fn check_annotations(annotations: &Annotations) -> Result<(), String> {
    let unqualified = |name: &&String| !names::is_subdomain(name) || !name.contains('.');
    if let Some(name) = annotations.keys().find(unqualified) {
        return Err(format!(
            "annotations: Invalid value: {name:?}: should be a domain with at least two segments separated by dots"
        ));
    }
    let total: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > ANNOTATION_BYTES {
        return Err(format!(
            "total size of annotations is {total}, which exceeds the max size of {ANNOTATION_BYTES}"
        ));
    }
    Ok(())
}
