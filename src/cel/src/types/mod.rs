//! What an expression can be of: the types, how they are written, and when one fits another.

mod names;
mod unify;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use names::{parse_type, split};
pub(crate) use unify::{Unifier, instantiate, most_general};

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// What could not be checked.
    Error,
    /// Anything; checked when evaluated.
    Dyn,
    /// `null`
    Null,
    /// `true` and `false`
    Bool,
    /// 64 bits with a sign.
    Int,
    /// 64 bits without a sign.
    Uint,
    /// 64 bits with a point.
    Double,
    /// Text.
    String,
    /// Octets.
    Bytes,
    /// A moment.
    Timestamp,
    /// A span of time.
    Duration,
    /// A list of one type of elements.
    List(Arc<Type>),
    /// A map with its types of keys and values.
    Map(Arc<(Type, Type)>),
    /// A type with a name, and with fields if it is one of objects.
    Object(Arc<ObjectType>),
    /// An abstract type with parameters, such as an optional value.
    Opaque(Arc<str>, Arc<[Type]>),
    /// A type as a value.
    Type(Option<Arc<Type>>),
    /// A type that is still to be found.
    Param(Arc<str>),
}

/// A type whose values have named fields.
#[derive(Debug)]
pub struct ObjectType {
    name: Arc<str>,
    fields: BTreeMap<Arc<str>, Type>,
    /// Whether it also has every field that is not named here, of any type.
    open: bool,
}

impl PartialEq for ObjectType {
    /// A name stands for one type.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ObjectType {}

impl ObjectType {
    /// A type with these fields.
    pub fn new<N: Into<Arc<str>>>(
        name: impl Into<Arc<str>>,
        fields: impl IntoIterator<Item = (N, Type)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        Self { name: name.into(), fields, open: false }
    }

    /// A type with every field, of any type.
    pub(crate) fn open(name: &str) -> Self {
        Self { name: name.into(), fields: BTreeMap::new(), open: true }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Type> {
        self.fields.get(name).or(if self.open { Some(&Type::Dyn) } else { None })
    }
}

/// The name of the type of optional values.
pub(crate) const OPTIONAL: &str = "optional_type";

impl Type {
    /// A list of such elements.
    #[must_use]
    pub fn list(element: Self) -> Self {
        Self::List(Arc::new(element))
    }

    /// A map with such keys and values.
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// A value that may be missing.
    #[must_use]
    pub fn optional(inner: Self) -> Self {
        Self::Opaque(OPTIONAL.into(), [inner].into())
    }

    /// A type without fields.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let nothing: [(&str, Self); 0] = [];
        Self::Object(Arc::new(ObjectType::new(name, nothing)))
    }

    /// The types that this one is made of.
    pub(crate) fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(element) => vec![element],
            Self::Map(pair) => vec![&pair.0, &pair.1],
            Self::Opaque(_, inner) => inner.iter().collect(),
            Self::Type(Some(inner)) => vec![inner],
            _ => Vec::new(),
        }
    }

    /// What an optional value may hold, and whether this is one.
    pub(crate) fn unwrap_optional(&self) -> (&Self, bool) {
        match self {
            Self::Opaque(name, inner) if &**name == OPTIONAL => (inner.first().unwrap_or(&Self::Dyn), true),
            other => (other, false),
        }
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// Whether all values are of the same size.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Self::Bool | Self::Double | Self::Duration | Self::Int | Self::Timestamp | Self::Uint => true,
            other => match other.unwrap_optional() {
                (inner, true) => inner.is_scalar(),
                _ => false,
            },
        }
    }
}
