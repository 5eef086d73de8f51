//! Compact JSON web tokens with the claims of service accounts.
//!
//! A token is parsed once. The claims that were parsed are the ones that are used, a member that is
//! there twice is refused, and nothing in the header chooses how the signature is checked: `alg` must
//! name the key's one algorithm, `kid` is only looked up in a map, embedded keys are never read.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_pki::VerifyingKey;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::Rejection;
use crate::keys::Keys;
use crate::mapping::{self, Mapping};
use crate::revoked_tokens::Traits;

/// The longest token that is looked at.
pub(crate) const MAX_TOKEN_BYTES: usize = 32 << 10;
/// How far clocks may be apart, as upstream.
pub(crate) const LEEWAY: SignedDuration = SignedDuration::from_mins(1);
/// The end of the year 9998: no time claim lies beyond, and adding the leeway stays in range.
const LAST_SECOND: u64 = 253_370_764_799;
const MAX_AUDIENCES: usize = 256;

/// A token that has the form of one; nothing in it is believed yet.
pub(crate) struct Unverified<'a> {
    header: Header,
    pub(crate) claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<de::IgnoredAny>,
    #[serde(default)]
    b64: Option<de::IgnoredAny>,
}

/// The claims of a service account token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(deserialize_with = "audiences")]
    pub(crate) aud: Vec<String>,
    pub(crate) exp: Seconds,
    pub(crate) iat: Seconds,
    pub(crate) iss: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io", deserialize_with = "mapping::object")]
    pub(crate) kubernetes: Binding,
    pub(crate) nbf: Seconds,
    pub(crate) sub: String,
}

/// What a token is bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Binding {
    pub(crate) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "mapping::optional")]
    pub(crate) node: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "mapping::optional")]
    pub(crate) pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "mapping::optional")]
    pub(crate) secret: Option<Reference>,
    #[serde(deserialize_with = "mapping::object")]
    pub(crate) serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warnafter: Option<Seconds>,
}

/// An object by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
}

/// A time as whole seconds since 1970. A fraction, a text, null, or a time nobody lives in is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seconds(pub(crate) Timestamp);

impl<'a> Unverified<'a> {
    /// Reads a token of ours; `None` if it is something else.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // A fourth part would leave a dot in the payload, which is no base64.
        let Mapping(header): Mapping<Header> = serde_json::from_slice(&decode(header)?).ok()?;
        let Mapping(claims): Mapping<Claims> = serde_json::from_slice(&decode(payload)?).ok()?;
        let signature = decode(signature)?;
        Some(Self { header, claims, signed, signature })
    }

    /// The claims, if a key of the set signed them, and that key.
    pub(crate) fn verify(self, keys: &Keys) -> Result<(Claims, Arc<VerifyingKey>), Rejection> {
        if self.header.crit.is_some() || self.header.b64.is_some() {
            return Err(Rejection::new("token demands extensions that are not understood"));
        }
        let candidates = keys.candidates(self.header.kid.as_deref());
        if candidates.is_empty() {
            return Err(Rejection::new("invalid signature, no keys found"));
        }
        let signed = self.signed.as_bytes();
        let good = candidates
            .iter()
            .filter(|key| key.algorithm().as_str() == self.header.alg)
            .find(|key| key.verifies(signed, &self.signature));
        match good {
            Some(key) => Ok((self.claims, key.clone())),
            None => Err(Rejection::new("square/go-jose: error in cryptographic primitive")),
        }
    }
}

impl Claims {
    /// Whether the token holds at a time, in upstream's words.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Rejection> {
        let late = now.saturating_add(LEEWAY).unwrap_or(now);
        let early = now.saturating_sub(LEEWAY).unwrap_or(now);
        if self.nbf.0 > late {
            return Err(Rejection::new("service account token is not valid yet"));
        }
        if self.exp.0 < early {
            return Err(Rejection::new("service account token has expired"));
        }
        if self.iat.0 > late {
            return Err(Rejection::new("service account token is issued in the future"));
        }
        Ok(())
    }

    /// What a revocation may name of the token.
    pub(crate) fn traits(&self) -> Traits<'_> {
        let Binding { namespace, serviceaccount, .. } = &self.kubernetes;
        Traits { id: &self.jti, namespace, account: &serviceaccount.name, issued: self.iat.0 }
    }

    /// The asked audiences that the token is for.
    pub(crate) fn audiences_among(&self, asked: &[String]) -> Result<Vec<String>, Rejection> {
        let common: Vec<_> = asked.iter().filter(|a| self.aud.contains(a)).cloned().collect();
        if common.is_empty() {
            let why = format!(
                "token audiences {} is invalid for the target audiences {}",
                listed(&self.aud),
                listed(asked)
            );
            return Err(Rejection::new(why));
        }
        Ok(common)
    }
}

/// What claims would make somebody if they were signed; exists to be fuzzed.
pub fn user_of_unverified_claims(token: &str) -> Option<portcullis_api::UserInfo> {
    let unverified = Unverified::parse(token)?;
    crate::service_account::user_of(&unverified.claims).ok()
}

/// A list of strings as Go prints it.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// One audience or several; at least one.
fn audiences<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Audiences;

    impl<'de> Visitor<'de> for Audiences {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an audience or a list of audiences")
        }

        fn visit_str<E: de::Error>(self, one: &str) -> Result<Vec<String>, E> {
            Ok(vec![one.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut many: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::new();
            while let Some(one) = many.next_element()? {
                list.push(one);
                if list.len() > MAX_AUDIENCES {
                    return Err(de::Error::custom("too many audiences"));
                }
            }
            if list.is_empty() { Err(de::Error::custom("no audience")) } else { Ok(list) }
        }
    }

    from.deserialize_any(Audiences)
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole seconds since 1970")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                let whole = i64::try_from(seconds).map_err(E::custom)?;
                if seconds > LAST_SECOND {
                    return Err(E::custom("beyond what certificates and clocks can say"));
                }
                Timestamp::from_second(whole).map(Seconds).map_err(E::custom)
            }
        }

        from.deserialize_any(Whole)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(self.0.as_second())
    }
}
