//! A provider's token in its compact form. Nothing in it is believed here.
//!
//! A member that is there twice is refused wherever it stands: which of the two counts would depend on
//! who reads. The claims that were parsed are the claims that are used.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::{Map, Value};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::jwt::MAX_TOKEN_BYTES;

const MAX_DEPTH: usize = 16;
const MAX_AUDIENCES: usize = 256;
/// How far clocks may be apart for the beginning of a token, as upstream's library.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// The end of the year 9998.
const LAST_SECOND: f64 = 253_370_764_799.0;
/// Some tokens of one provider leave the scheme out.
const BARE_GOOGLE: &str = "accounts.google.com";

/// A token that has the form of one.
pub(super) struct Unverified<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
}

/// How the token says it is signed.
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

/// What the token says: the registered claims by their types, and all of them.
pub(super) struct Claims {
    pub(super) aud: Vec<String>,
    pub(super) exp: Timestamp,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    pub(super) jti: Option<String>,
    pub(super) all: Value,
}

impl<'a> Unverified<'a> {
    /// Reads a token; the error says what is wrong with it.
    pub(super) fn parse(token: &'a str) -> Result<Self, String> {
        let malformed = |why: &str| format!("oidc: malformed jwt: {why}");
        if token.len() > MAX_TOKEN_BYTES {
            return Err(malformed("the token is too long"));
        }
        let parts: Vec<&str> = token.split('.').take(4).collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(malformed("expected 3 parts"));
        };
        let header = object(header).ok_or_else(|| malformed("the header is no JSON object"))?;
        let claims = object(payload).ok_or_else(|| malformed("the payload is no JSON object"))?;
        let signature = decode(signature).ok_or_else(|| malformed("the signature is no base64"))?;
        let signed = token.rsplit_once('.').map(|(signed, _)| signed).unwrap_or_default();
        Ok(Self {
            header: Header::of(&header).map_err(malformed)?,
            claims: Claims::of(claims).map_err(|why| malformed(&why))?,
            signed,
            signature,
        })
    }

    /// Whether the token holds at a time.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), String> {
        let Claims { exp, nbf, iat, .. } = &self.claims;
        if *exp <= now {
            return Err(format!("oidc: token is expired (Token Expiry: {exp})"));
        }
        let late = now.saturating_add(EARLY).unwrap_or(now);
        if nbf.is_some_and(|nbf| nbf > late) {
            return Err("oidc: current time is before the nbf (not before) time".to_owned());
        }
        if iat.is_some_and(|iat| iat > late) {
            return Err("oidc: the token is issued in the future".to_owned());
        }
        Ok(())
    }
}

impl Header {
    fn of(header: &Map<String, Value>) -> Result<Self, &'static str> {
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err("the header demands extensions that are not understood");
        }
        let alg = header.get("alg").and_then(Value::as_str).ok_or("the header names no algorithm")?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()).filter(|kid| !kid.is_empty()),
            Some(_) => return Err("the header's kid is no text"),
        };
        Ok(Self { alg: alg.to_owned(), kid })
    }
}

impl Claims {
    fn of(all: Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| match all.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("the {name} claim is no text")),
        };
        let required =
            |name: &str| text(name)?.filter(|t| !t.is_empty()).ok_or(format!("there is no {name} claim"));
        required("iss")?;
        required("sub")?;
        let jti = text("jti")?;
        Ok(Self {
            aud: audiences(all.get("aud"))?,
            exp: time(&all, "exp")?.ok_or("there is no exp claim")?,
            nbf: time(&all, "nbf")?,
            iat: time(&all, "iat")?,
            jti,
            all: Value::Object(all),
        })
    }
}

/// One audience or several; at least one.
fn audiences(claim: Option<&Value>) -> Result<Vec<String>, String> {
    match claim {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(many)) if (1..=MAX_AUDIENCES).contains(&many.len()) => many
            .iter()
            .map(|one| one.as_str().map(str::to_owned).ok_or_else(|| "an audience is no text".to_owned()))
            .collect(),
        Some(_) => Err("the aud claim is neither text nor a list".to_owned()),
        None => Err("there is no aud claim".to_owned()),
    }
}

/// A time in seconds since 1970. A fraction is cut off, as upstream's library does.
fn time(all: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(claim) = all.get(name) else { return Ok(None) };
    let wrong = || format!("the {name} claim is no time");
    let seconds = claim.as_f64().filter(|s| (0.0..=LAST_SECOND).contains(s)).ok_or_else(wrong)?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked, the fraction is to go")]
    let whole = seconds.trunc() as i64;
    Timestamp::from_second(whole).map(Some).map_err(|_| wrong())
}

/// Whose token it says it is, to find who judges it; not to be trusted.
pub(super) fn untrusted_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload {
        iss: String,
    }

    if token.len() > MAX_TOKEN_BYTES || token.split('.').take(4).count() != 3 {
        return None;
    }
    let payload: Payload = serde_json::from_slice(&decode(token.split('.').nth(1)?)?).ok()?;
    Some(if payload.iss == BARE_GOOGLE { format!("https://{BARE_GOOGLE}") } else { payload.iss })
}

/// The claims of any token that has the form of one; exists to be fuzzed.
pub fn claims_of_unverified_token(token: &str) -> Option<Value> {
    Unverified::parse(token).ok().map(|token| token.claims.all)
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = decode(part)?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let Strict(value) = Strict::at_depth(&mut reader, 0).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// A JSON value no object of which has a member twice, and that is not nested deeper than anybody needs.
struct Strict(Value);

impl Strict {
    fn at_depth<'de, D: Deserializer<'de>>(from: D, depth: usize) -> Result<Self, D::Error> {
        from.deserialize_any(Reader(depth)).map(Self)
    }
}

struct Reader(usize);

impl<'de> de::DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.0 > MAX_DEPTH {
            return Err(de::Error::custom("nested too deeply"));
        }
        Strict::at_depth(from, self.0).map(|Strict(value)| value)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Reader(self.0 + 1))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Reader(self.0 + 1))?;
            if map.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is there twice"));
            }
        }
        Ok(Value::Object(map))
    }
}
