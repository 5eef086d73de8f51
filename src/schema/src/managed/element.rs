//! One step of a field path: a field name, the keys of a list entry, a set's value, or an index.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use portcullis_api::Value;
use portcullis_api::field::go_quote;

use super::scalar::Scalar;

/// Key fields with their values, sorted by name.
pub type Keys<'a> = Arc<[(Cow<'a, str>, Scalar<'a>)]>;

/// One step of a path. Its order is that of `FieldsV1`: names, then keys, values and indexes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Element<'a> {
    /// A field of an object.
    Field(Cow<'a, str>),
    /// The entry of an associative list that has these keys, sorted by name.
    Key(Keys<'a>),
    /// The entry of a set.
    Value(Scalar<'a>),
    /// The entry of a list by its place.
    Index(i64),
}

impl<'a> Element<'a> {
    /// The step into a field.
    pub fn field(name: &'a str) -> Self {
        Self::Field(Cow::Borrowed(name))
    }

    /// Reads a `FieldsV1` key. `Ok(None)` for a kind of step that this version does not know.
    pub fn parse(key: &'a str) -> Result<Option<Self>, BadElement> {
        let (kind, rest) = key.split_at_checked(2).ok_or(BadElement)?;
        Ok(Some(match kind {
            "f:" => Self::field(rest),
            "v:" => Self::Value(Scalar::from_owned(json(rest)?)),
            "i:" => Self::Index(rest.parse().map_err(|_| BadElement)?),
            "k:" => Self::Key(parse_keys(rest)?),
            other if other.ends_with(':') => return Ok(None),
            _ => return Err(BadElement),
        }))
    }

    /// The `FieldsV1` key of this step.
    pub fn to_key(&self) -> String {
        match self {
            Self::Field(name) => {
                let mut out = String::with_capacity(name.len() + 2);
                out.push_str("f:");
                out.push_str(name);
                out
            }
            Self::Key(keys) => keys_to_key(keys),
            Self::Value(value) => {
                let mut out = String::from("v:");
                value.write_json(&mut out);
                out
            }
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// The same step without borrowed parts.
    pub fn into_owned(self) -> Element<'static> {
        match self {
            Self::Field(name) => Element::Field(Cow::Owned(name.into_owned())),
            Self::Key(keys) => {
                let owned = keys
                    .iter()
                    .map(|(name, value)| (Cow::Owned(name.clone().into_owned()), value.clone().into_owned()));
                Element::Key(owned.collect())
            }
            Self::Value(value) => Element::Value(value.into_owned()),
            Self::Index(index) => Element::Index(index),
        }
    }

    /// The order of this step relative to the field of a name.
    pub(super) fn cmp_field(&self, name: &str) -> Ordering {
        match self {
            Self::Field(own) => own.as_ref().cmp(name),
            _ => Ordering::Greater,
        }
    }
}

/// A `FieldsV1` key that is malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct BadElement;

fn json(text: &str) -> Result<Value, BadElement> {
    serde_json::from_str(text).map_err(|_| BadElement)
}

fn parse_keys<'a>(text: &str) -> Result<Keys<'a>, BadElement> {
    let Value::Object(map) = json(text)? else { return Err(BadElement) };
    let mut keys: Vec<(Cow<'a, str>, Scalar<'a>)> =
        map.into_iter().map(|(name, value)| (Cow::Owned(name), Scalar::from_owned(value))).collect();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(keys.into())
}

fn keys_to_key(keys: &[(Cow<'_, str>, Scalar<'_>)]) -> String {
    let mut out = String::with_capacity(32);
    out.push_str("k:{");
    for (at, (name, value)) in keys.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        Scalar::Text(Cow::Borrowed(name)).write_json(&mut out);
        out.push(':');
        value.write_json(&mut out);
    }
    out.push('}');
    out
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(keys) => {
                f.write_char('[')?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_char(']')
            }
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&go_quote(text)),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => f.write_str(&super::scalar::go_float(number.0)),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Null => f.write_str("null"),
            Self::Other(value) => write!(f, "{value}"),
        }
    }
}
