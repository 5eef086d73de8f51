//! The ways to seal a value, each with one key.
//!
//! | scheme | after the prefix | bound to the storage key |
//! |---|---|---|
//! | aescbc | IV, ciphertext with PKCS#7 padding | no, as upstream |
//! | aesgcm | nonce, ciphertext, tag | yes, as upstream |
//! | secretbox | nonce, tag, ciphertext | no, as upstream |
//! | portcullis | salt, nonce, ciphertext, tag | yes; a key of its own for every value |

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use bytes::Bytes;
use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use zeroize::Zeroizing;

const IV: usize = 16;
const BOX_NONCE: usize = 24;
/// What a value's own key is derived with.
const SALT: usize = 32;

/// A way to seal values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    AesCbc,
    AesGcm,
    Secretbox,
    Portcullis,
}

impl Scheme {
    /// Its name, in files and in the prefix of values.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AesCbc => "aescbc",
            Self::AesGcm => "aesgcm",
            Self::Secretbox => "secretbox",
            Self::Portcullis => "portcullis",
        }
    }

    /// The lengths a key may have.
    pub(super) fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::AesCbc | Self::AesGcm => &[16, 24, 32],
            Self::Secretbox | Self::Portcullis => &[32],
        }
    }
}

/// A key that values are sealed with. Wiped when dropped, and never shown.
pub(super) struct SealingKey {
    scheme: Scheme,
    secret: Zeroizing<Vec<u8>>,
    /// `k8s:enc:<scheme>:v1:<name>:`
    prefix: String,
}

/// Something did not fit; more is not said, so that nothing can be learnt from it.
pub(super) struct Failed;

impl SealingKey {
    pub(super) fn new(scheme: Scheme, name: &str, secret: Zeroizing<Vec<u8>>) -> Self {
        Self { scheme, secret, prefix: format!("k8s:enc:{}:v1:{name}:", scheme.name()) }
    }

    /// What its values begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Seals a value that is stored under `key`.
    pub(super) fn seal(&self, key: &str, value: &[u8]) -> Result<Bytes, Failed> {
        let mut out = Vec::with_capacity(self.prefix.len() + SALT + NONCE_LEN + value.len() + 32);
        out.extend_from_slice(self.prefix.as_bytes());
        match self.scheme {
            Scheme::AesCbc => self.seal_cbc(value, &mut out)?,
            Scheme::AesGcm => seal_gcm(gcm_key(&self.secret)?, key, value, &mut out)?,
            Scheme::Secretbox => self.seal_box(value, &mut out)?,
            Scheme::Portcullis => {
                let salt = random::<SALT>()?;
                out.extend_from_slice(&salt);
                seal_gcm(self.own_key(&salt)?, key, value, &mut out)?;
            }
        }
        Ok(out.into())
    }

    /// Opens what follows the prefix.
    pub(super) fn open(&self, key: &str, sealed: &[u8]) -> Result<Bytes, Failed> {
        match self.scheme {
            Scheme::AesCbc => self.open_cbc(sealed),
            Scheme::AesGcm => open_gcm(gcm_key(&self.secret)?, key, sealed),
            Scheme::Secretbox => self.open_box(sealed),
            Scheme::Portcullis => {
                let (salt, sealed) = sealed.split_first_chunk::<SALT>().ok_or(Failed)?;
                open_gcm(self.own_key(salt)?, key, sealed)
            }
        }
    }

    /// The key of one value: random nonces of one key alone would repeat after enough values.
    fn own_key(&self, salt: &[u8]) -> Result<LessSafeKey, Failed> {
        let root = Salt::new(HKDF_SHA256, &[]).extract(&self.secret);
        let info = [salt];
        let derived = root.expand(&info, &AES_256_GCM).map_err(|_| Failed)?;
        Ok(LessSafeKey::new(UnboundKey::from(derived)))
    }

    fn cbc_key(&self) -> Result<UnboundCipherKey, Failed> {
        let algorithm = match self.secret.len() {
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            _ => return Err(Failed),
        };
        UnboundCipherKey::new(algorithm, &self.secret).map_err(|_| Failed)
    }

    fn seal_cbc(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        let iv = random::<IV>()?;
        out.extend_from_slice(&iv);
        let sealing = PaddedBlockEncryptingKey::cbc_pkcs7(self.cbc_key()?).map_err(|_| Failed)?;
        let mut text = Zeroizing::new(value.to_vec());
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        sealing.less_safe_encrypt(&mut *text, context).map_err(|_| Failed)?;
        out.extend_from_slice(&text);
        Ok(())
    }

    fn open_cbc(&self, sealed: &[u8]) -> Result<Bytes, Failed> {
        let (iv, sealed) = sealed.split_first_chunk::<IV>().ok_or(Failed)?;
        let opening = PaddedBlockDecryptingKey::cbc_pkcs7(self.cbc_key()?).map_err(|_| Failed)?;
        let mut text = sealed.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let opened = opening.decrypt(&mut text, context).map_err(|_| Failed)?;
        Ok(Bytes::copy_from_slice(opened))
    }

    fn seal_box(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        let nonce = random::<BOX_NONCE>()?;
        let sealing = XSalsa20Poly1305::new_from_slice(&self.secret).map_err(|_| Failed)?;
        let sealed = sealing.encrypt(&nonce.into(), value).map_err(|_| Failed)?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    fn open_box(&self, sealed: &[u8]) -> Result<Bytes, Failed> {
        let (nonce, sealed) = sealed.split_first_chunk::<BOX_NONCE>().ok_or(Failed)?;
        let opening = XSalsa20Poly1305::new_from_slice(&self.secret).map_err(|_| Failed)?;
        opening.decrypt(&(*nonce).into(), sealed).map(Bytes::from).map_err(|_| Failed)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

pub(super) fn gcm_key(secret: &[u8]) -> Result<LessSafeKey, Failed> {
    let algorithm = match secret.len() {
        16 => &AES_128_GCM,
        24 => &AES_192_GCM,
        32 => &AES_256_GCM,
        _ => return Err(Failed),
    };
    UnboundKey::new(algorithm, secret).map(LessSafeKey::new).map_err(|_| Failed)
}

pub(super) fn seal_gcm(
    sealing: LessSafeKey,
    key: &str,
    value: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    let nonce = random::<NONCE_LEN>()?;
    out.extend_from_slice(&nonce);
    let mut text = Zeroizing::new(value.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    sealing.seal_in_place_append_tag(nonce, Aad::from(key.as_bytes()), &mut *text).map_err(|_| Failed)?;
    out.extend_from_slice(&text);
    Ok(())
}

pub(super) fn open_gcm(opening: LessSafeKey, key: &str, sealed: &[u8]) -> Result<Bytes, Failed> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Failed)?;
    let mut text = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = opening.open_in_place(nonce, Aad::from(key.as_bytes()), &mut text).map_err(|_| Failed)?;
    Ok(Bytes::copy_from_slice(opened))
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Failed> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Failed)?;
    Ok(bytes)
}
