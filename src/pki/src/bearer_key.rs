//! Keys that sign and check service account tokens.
//!
//! The algorithm is a property of the key. Nothing here takes an algorithm from a token, so a token
//! cannot choose how it is checked. Signing runs in aws-lc; no pure-Rust RSA touches a private key.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

use crate::{Error, Result};

/// The signature algorithms of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256, upstream's default.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// The name in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A private key that signs tokens. Its `Debug` shows only the key's id.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    /// A new key.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::Crypto("generate a token key");
        Self::from_pair(match algorithm {
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?),
            Algorithm::Es256 => {
                Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?)
            }
        })
    }

    /// Reads a PEM private key: PKCS#8, PKCS#1 or SEC 1.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let refused = || Error::malformed("token signing key", "is no RSA or P-256 private key");
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| refused())?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok().map(Pair::Rsa),
            PrivateKeyDer::Sec1(key) => {
                let der = key.secret_sec1_der();
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .ok()
                    .map(Pair::Ecdsa)
            }
            PrivateKeyDer::Pkcs8(key) => pair_of_pkcs8(key.secret_pkcs8_der()),
            _ => None,
        };
        Self::from_pair(pair.ok_or_else(refused)?)
    }

    /// The key as PKCS#8 PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>> {
        let failed = |_| Error::Crypto("encode a token key");
        match &self.pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'static> = pair.as_der().map_err(failed)?;
                Ok(pem("PRIVATE KEY", der.as_ref()))
            }
            Pair::Ecdsa(pair) => {
                let document = pair.to_pkcs8v1().map_err(failed)?;
                Ok(pem("PRIVATE KEY", document.as_ref()))
            }
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        let failed = |_| Error::Crypto("sign a token");
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => Ok(low_s(pair.sign(&random, message).map_err(failed)?.as_ref())),
        }
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    fn from_pair(pair: Pair) -> Result<Self> {
        let failed = |_| Error::Crypto("derive a public key");
        let spki: PublicKeyX509Der<'static> = match &pair {
            Pair::Rsa(pair) => pair.public_key().as_der().map_err(failed)?,
            Pair::Ecdsa(pair) => pair.public_key().as_der().map_err(failed)?,
        };
        Ok(Self { public: VerifyingKey::from_spki(spki.as_ref())?, pair })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

/// A public key that checks tokens, with the id upstream derives for it.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: String,
    spki: Vec<u8>,
    key: ParsedPublicKey,
    jwk: String,
}

impl VerifyingKey {
    /// Reads the public key of one PEM: a public key, a certificate or a private key's public half.
    pub fn from_pem(text: &str) -> Result<Self> {
        if let Ok(spki) = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()) {
            return Self::from_spki(&spki);
        }
        if let Ok(certificate) = CertificateDer::from_pem_slice(text.as_bytes()) {
            let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
                .map_err(|_| Error::malformed("token verification key", "is no certificate"))?;
            return Self::from_spki(parsed.public_key().raw);
        }
        SigningKey::from_pem(text).map(|key| key.public)
    }

    /// Reads every key of a file; at least one. What is no key, such as parameters of a curve, is passed over.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>> {
        const BEGIN: &str = "-----BEGIN ";
        let blocks = text.match_indices(BEGIN).filter_map(|(at, _)| text.get(at..));
        let keys = blocks.filter(|block| {
            let title = block.lines().next().unwrap_or_default();
            title.contains("KEY") || title.contains("CERTIFICATE")
        });
        let keys: Vec<_> = keys.map(Self::from_pem).collect::<Result<_>>()?;
        if keys.is_empty() {
            return Err(Error::malformed("token verification keys", "there is none in the file"));
        }
        Ok(keys)
    }

    /// Reads a key in SubjectPublicKeyInfo form.
    pub fn from_spki(spki: &[u8]) -> Result<Self> {
        let refused = |why: &str| Error::malformed("token verification key", why);
        let (rest, info) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| refused("is no public key"))?;
        if !rest.is_empty() {
            return Err(refused("has trailing bytes"));
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
        let kid = URL_SAFE_NO_PAD.encode(digest.as_ref());
        let (algorithm, key) = match info.parsed() {
            // aws-lc refuses shorter keys only when it verifies; better to say so at start.
            Ok(PublicKey::RSA(key)) if key.key_size() < 2048 => {
                return Err(refused("is RSA of less than 2048 bits"));
            }
            Ok(PublicKey::RSA(_)) => {
                (Algorithm::Rs256, ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki))
            }
            Ok(PublicKey::EC(_)) => (Algorithm::Es256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki)),
            _ => return Err(refused("is neither RSA nor P-256")),
        };
        let key = key.map_err(|_| refused("is neither RSA of 2048 bits or more nor P-256"))?;
        let jwk = jwk(&info, algorithm, &kid).ok_or_else(|| refused("has no usable parameters"))?;
        Ok(Self { algorithm, kid, spki: spki.to_vec(), key, jwk })
    }

    /// The one algorithm this key checks.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id: the SHA-256 of its SubjectPublicKeyInfo, as upstream names keys.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a JSON Web Key.
    pub fn jwk(&self) -> &str {
        &self.jwk
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki).to_string()
    }

    /// Whether the signature over the message is this key's. Of the two forms an ECDSA signature has,
    /// only the one [`SigningKey::sign`] makes is believed, so that nobody can make a second token of one.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm == Algorithm::Es256 && !is_low_s(signature) {
            return false;
        }
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

fn pair_of_pkcs8(der: &[u8]) -> Option<Pair> {
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
        return Some(Pair::Rsa(pair));
    }
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(Pair::Ecdsa)
}

/// The order of the group of P-256, and half of it.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Whether the second half of a signature is at most half the group's order.
fn is_low_s(signature: &[u8]) -> bool {
    signature.len() == 64 && signature.iter().skip(32).le(&HALF_ORDER)
}

/// The form of a signature in which [`is_low_s`] holds: `s`, or the order minus `s`.
fn low_s(signature: &[u8]) -> Vec<u8> {
    let mut signature = signature.to_vec();
    if signature.len() != 64 || is_low_s(&signature) {
        return signature;
    }
    let mut borrow = 0;
    for (digit, of_order) in signature.iter_mut().skip(32).rev().zip(ORDER.iter().rev()) {
        let (first, under) = of_order.overflowing_sub(*digit);
        let (second, again) = first.overflowing_sub(borrow);
        *digit = second;
        borrow = u8::from(under || again);
    }
    signature
}

/// Members in the order upstream writes them.
fn jwk(info: &SubjectPublicKeyInfo<'_>, algorithm: Algorithm, kid: &str) -> Option<String> {
    let alg = algorithm.as_str();
    match info.parsed().ok()? {
        PublicKey::RSA(key) => {
            let n = URL_SAFE_NO_PAD.encode(unsigned(key.modulus));
            let e = URL_SAFE_NO_PAD.encode(unsigned(key.exponent));
            Some(format!(r#"{{"use":"sig","kty":"RSA","kid":"{kid}","alg":"{alg}","n":"{n}","e":"{e}"}}"#))
        }
        PublicKey::EC(point) => {
            let coordinates = point.data().strip_prefix(&[4])?;
            let (x, y) = (coordinates.len() == 64).then(|| coordinates.split_at(32))?;
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            let head = format!(r#"{{"use":"sig","kty":"EC","kid":"{kid}","crv":"P-256","alg":"{alg}""#);
            Some(format!(r#"{head},"x":"{x}","y":"{y}"}}"#))
        }
        _ => None,
    }
}

fn unsigned(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|b| **b == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 64));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for (index, character) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sign_and_survive_their_pem_form() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let signature = key.sign(b"text").unwrap();
            let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!(again.public().kid(), key.public().kid());
            let public = VerifyingKey::from_pem(&key.public().to_pem()).unwrap();
            assert!(public.verifies(b"text", &signature));
            assert!(!public.verifies(b"texT", &signature));
            assert_eq!(public.algorithm(), algorithm);
            let jwk: serde_json::Value = serde_json::from_str(public.jwk()).unwrap();
            assert_eq!(jwk["kid"], public.kid());
        }
    }

    #[test]
    fn d057_every_signature_has_the_low_form() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        for round in 0..64u8 {
            let signature = key.sign(&[round]).unwrap();
            assert!(is_low_s(&signature) && key.public().verifies(&[round], &signature));
        }
    }

    #[test]
    fn j033_debug_shows_no_key() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let shown = format!("{key:?}");
        assert!(shown.starts_with("SigningKey { kid: ") && !shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn rubbish_is_no_key() {
        assert!(SigningKey::from_pem("rubbish").is_err());
        assert!(
            VerifyingKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err()
        );
        assert!(VerifyingKey::from_spki(&[0x30, 0x00]).is_err());
    }
}
