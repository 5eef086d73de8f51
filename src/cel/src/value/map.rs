//! Maps and objects: a part of the data, or computed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Text, Val, read};
use crate::error::Fault;
use crate::shape::{Kind, Shape, escape, unescape};

type Object = serde_json::Map<String, Json>;
/// The entries of a computed map with their keys as they were given.
pub type Entries<'v> = BTreeMap<Key<'v>, (Val<'v>, Val<'v>)>;

/// A map or an object.
#[derive(Clone, Debug)]
pub enum Map<'v> {
    /// Part of the data with its shape.
    Json(&'v Object, &'v Shape),
    /// Computed.
    Shared(Arc<Entries<'v>>),
}

/// What entries are found by; numbers are equal across their types.
#[derive(Clone, Debug)]
pub enum Key<'v> {
    /// A truth.
    Bool(bool),
    /// A whole number.
    Number(i128),
    /// Text.
    Text(Text<'v>),
}

impl<'v> Key<'v> {
    /// The key that a value is; none if it cannot be one.
    pub(crate) fn of(value: &Val<'v>) -> Option<Self> {
        Some(match value {
            Val::Bool(value) => Self::Bool(*value),
            Val::Int(value) => Self::Number(i128::from(*value)),
            Val::Uint(value) => Self::Number(i128::from(*value)),
            Val::Double(value) => Self::Number(whole(*value)?),
            Val::String(text) => Self::Text(text.clone()),
            _ => return None,
        })
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

fn whole(value: f64) -> Option<i128> {
    let fits = value.fract() == 0.0 && value.abs() < 2.0_f64.powi(64);
    #[expect(clippy::cast_possible_truncation, reason = "the value is whole and within range")]
    fits.then_some(value as i128)
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.as_str().cmp(other.as_str()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl<'v> Map<'v> {
    /// The entries that can be read.
    #[must_use]
    pub fn entries(&self) -> Vec<(Val<'v>, Val<'v>)> {
        let pair = |key: Val<'v>| Some((key.clone(), self.find(&key)?.ok()?));
        self.keys().into_iter().filter_map(pair).collect()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(object, _) => object.len(),
            Self::Shared(entries) => entries.len(),
        }
    }

    /// The value of a key, if it is there.
    pub(crate) fn find(&self, key: &Val<'v>) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Shared(entries) => {
                Key::of(key).and_then(|key| entries.get(&key)).map(|(_, value)| Ok(value.clone()))
            }
            Self::Json(..) => match key {
                Val::String(text) => self.field(text.as_str()),
                _ if matches!(self, Self::Json(_, shape) if matches!(shape.kind, Kind::Dyn)) => None,
                _ => Some(Err(Fault::bare())),
            },
        }
    }

    /// The value of a field by its name in expressions.
    pub(crate) fn field(&self, name: &str) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Shared(entries) => {
                entries.get(&Key::Text(Text::Shared(name.into()))).map(|(_, value)| Ok(value.clone()))
            }
            Self::Json(object, shape) => match &shape.kind {
                Kind::Object(properties) => {
                    let name = unescape(name)?;
                    let value = object.get(&*name).filter(|value| !value.is_null())?;
                    Some(read(value, properties.properties.get(&*name)?))
                }
                Kind::Map(inner) => Some(read(object.get(name)?, inner)),
                _ => Some(read(object.get(name)?, shape)),
            },
        }
    }

    /// The keys, as expressions see them.
    pub(crate) fn keys(&self) -> Vec<Val<'v>> {
        match self {
            Self::Shared(entries) => entries.values().map(|(key, _)| key.clone()).collect(),
            Self::Json(object, shape) => match &shape.kind {
                Kind::Object(properties) => {
                    let known =
                        object.keys().filter(|name| properties.properties.contains_key(name.as_str()));
                    known.map(|name| name_of(name)).collect()
                }
                _ => object.keys().map(|key| Val::String(Text::Borrowed(key))).collect(),
            },
        }
    }

    /// The same as computed entries; copied if they are shared.
    pub(crate) fn into_entries(self) -> Result<Entries<'v>, Fault> {
        match self {
            Self::Shared(entries) => Ok(Arc::unwrap_or_clone(entries)),
            other => {
                let mut entries = Entries::new();
                for key in other.keys() {
                    if let (Some(known), Some(value)) = (Key::of(&key), other.find(&key)) {
                        entries.insert(known, (key, value?));
                    }
                }
                Ok(entries)
            }
        }
    }
}

fn name_of(name: &str) -> Val<'_> {
    match escape(name) {
        Some(std::borrow::Cow::Owned(escaped)) => Val::text(escaped),
        _ => Val::String(Text::Borrowed(name)),
    }
}
