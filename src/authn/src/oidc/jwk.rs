//! A provider's keys: each verifies by the algorithms of its own type, and by nothing a token chooses.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaVerificationAlgorithm, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::mapping::Mapping;

const MAX_KEYS: usize = 64;
const LEAST_RSA_BYTES: usize = 256;
const MOST_RSA_BYTES: usize = 1024;

/// Upstream's algorithms. There is no `none` and nothing symmetric.
pub(crate) const ALGORITHMS: &[&str] =
    &["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// One public key.
pub(super) struct Key {
    kid: Option<String>,
    /// The one algorithm the provider says the key is for, if it says.
    alg: Option<String>,
    material: Material,
}

enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JSON Web Key Set that can verify tokens. Others, of types unknown here or not for
/// signatures, are passed over; a set without any is an error.
pub(super) fn parse_set(body: &[u8]) -> Result<Vec<Key>, String> {
    let Mapping(set): Mapping<Set> =
        serde_json::from_slice(body).map_err(|_| "the key set is no JSON of its form".to_owned())?;
    let keys = set.keys.into_iter().take(MAX_KEYS).filter_map(|key| {
        let Mapping(key) = serde_json::from_value::<Mapping<Jwk>>(key).ok()?;
        Key::of(key)
    });
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() { Err("the key set has no key that can be used".to_owned()) } else { Ok(keys) }
}

/// How many keys of a key set can be used; exists to be fuzzed.
pub fn usable_keys(body: &[u8]) -> usize {
    parse_set(body).map_or(0, |keys| keys.len())
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes =
            |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
        let material = match jwk.kty.as_str() {
            "RSA" => {
                let modulus = without_zeros(bytes(&jwk.n)?);
                let sound = (LEAST_RSA_BYTES..=MOST_RSA_BYTES).contains(&modulus.len());
                sound.then_some(Material::Rsa { modulus, exponent: without_zeros(bytes(&jwk.e)?) })?
            }
            "EC" => {
                let curve = Curve::named(jwk.crv.as_deref()?)?;
                let mut point = vec![4];
                for coordinate in [bytes(&jwk.x)?, bytes(&jwk.y)?] {
                    point.resize(point.len() + curve.bytes().checked_sub(coordinate.len())?, 0);
                    point.extend(coordinate);
                }
                Material::Ec { curve, point }
            }
            _ => return None,
        };
        Some(Self { kid: jwk.kid.filter(|kid| !kid.is_empty()), alg: jwk.alg, material })
    }

    /// Whether a token that names this key, or none, may be signed by it.
    pub(super) fn is_named(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    /// Whether the key signed the message, by an algorithm that is the key's to use.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        if self.alg.as_deref().is_some_and(|own| own != algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                let components = PublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() };
                rsa(algorithm).is_some_and(|by| components.verify(by, message, signature).is_ok())
            }
            Material::Ec { curve, point } => {
                let Some((own, by)) = ecdsa(algorithm) else { return false };
                own == *curve && UnparsedPublicKey::new(by, point).verify(message, signature).is_ok()
            }
        }
    }
}

impl Curve {
    fn named(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    /// The length of a coordinate.
    fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa(algorithm: &str) -> Option<(Curve, &'static EcdsaVerificationAlgorithm)> {
    Some(match algorithm {
        "ES256" => (Curve::P256, &ECDSA_P256_SHA256_FIXED),
        "ES384" => (Curve::P384, &ECDSA_P384_SHA384_FIXED),
        "ES512" => (Curve::P521, &ECDSA_P521_SHA512_FIXED),
        _ => return None,
    })
}

fn without_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}
