//! What expressions compute with.
//!
//! Data is not copied: a value that comes from JSON is a view of the tree with the shape that tells how to read it.

mod compare;
mod json;
mod list;
mod made;
mod map;
mod number;
mod show;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_api::quantity::Quantity;
use serde_json::Value as Json;

pub(crate) use compare::{compare, equal, key_of, merge, scalar};
pub(crate) use json::read;
pub use list::List;
pub use made::Made;
pub(crate) use made::{CONFIGURATION, PATCH};
pub use map::{Entries, Key, Map};
pub(crate) use number::{go_double, int_from_double, seconds_text, uint_from_double};
pub(crate) use show::short;

use crate::library::{Check, Cidr, Moment, NamedFormat, Semver, Url};
use crate::types::Type;

/// A value.
#[derive(Clone, Debug)]
pub enum Val<'v> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// A number.
    Double(f64),
    /// Text.
    String(Text<'v>),
    /// Octets.
    Bytes(Arc<[u8]>),
    /// A moment.
    Timestamp(Moment),
    /// Nanoseconds.
    Duration(i64),
    /// A list.
    List(List<'v>),
    /// A map or an object.
    Map(Map<'v>),
    /// A part of a patch.
    Made(Arc<Made<'v>>),
    /// A type.
    Type(Type),
    /// A value that may be missing.
    Optional(Option<Arc<Val<'v>>>),
    /// What a library made.
    Opaque(Opaque),
    /// Data that can only be compared.
    Hidden(&'v Json),
}

/// Text, from the data or computed.
#[derive(Clone, Debug)]
pub enum Text<'v> {
    /// Part of the data or of the expression.
    Borrowed(&'v str),
    /// Computed.
    Shared(Arc<str>),
}

/// The values of Kubernetes' libraries.
#[derive(Clone, Debug)]
pub enum Opaque {
    /// An amount.
    Quantity(Arc<Quantity>),
    /// An address on the web.
    Url(Arc<Url>),
    /// An address.
    Ip(IpAddr),
    /// A range of addresses.
    Cidr(Cidr),
    /// A version.
    Semver(Arc<Semver>),
    /// A format of names.
    Format(&'static NamedFormat),
    /// A question to the authorizer, or its answer.
    Check(Arc<Check>),
}

impl Text<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl<'v> Val<'v> {
    /// Computed text.
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    /// A computed list.
    pub(crate) fn list(values: Vec<Self>) -> Self {
        Self::List(List::Shared(values.into()))
    }

    /// A value that is there.
    pub(crate) fn some(value: Self) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// The truth, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Its type as `type()` and messages tell it.
    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Made(made) => Type::named(made.name()),
            Self::Type(_) => Type::Type(None),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Opaque(opaque) => Type::named(opaque.type_name()),
            Self::Hidden(_) => Type::named("unknown"),
        }
    }

    /// The number of its elements, octets or code points; one for what has no size.
    pub(crate) fn size(&self) -> u64 {
        let size = match self {
            Self::String(text) => text.as_str().chars().count(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            Self::Optional(Some(inner)) => return inner.size(),
            Self::Opaque(Opaque::Ip(address)) => return ip_size(*address),
            Self::Opaque(Opaque::Cidr(cidr)) => return cidr.size(),
            _ => 1,
        };
        u64::try_from(size).unwrap_or(u64::MAX)
    }

    /// Whether it says nothing: empty, zero or missing.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null | Self::Optional(None) => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(text) => text.as_str().is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(list) => list.len() == 0,
            Self::Map(map) => map.len() == 0,
            Self::Made(made) => made.is_empty(),
            _ => false,
        }
    }
}

fn ip_size(address: IpAddr) -> u64 {
    if address.is_ipv4() { 4 } else { 16 }
}

impl Opaque {
    /// The name of its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Check(check) => check.type_name(),
        }
    }
}
