//! What the walks over typed trees share.
//!
//! The walks recurse as deep as the tree; trees are bounded in depth where they are decoded.

use std::borrow::Cow;

use portcullis_api::{Map, Value};

use super::element::Element;
use super::scalar::Scalar;
use super::shape::{Entries, Key, ListShape, MapShape, Shape, ShapeId, ShapeRef};

/// A list entry that cannot be told apart from others; upstream's words.
pub(super) type BadEntry = String;

/// How a walk goes on at a node.
#[derive(Clone, Copy)]
pub(super) enum View<'k> {
    /// It ends.
    Leaf,
    /// Into a list whose entries have owners.
    List(&'k ListShape),
    /// Into a struct or map whose fields have owners.
    Map(&'k MapShape),
    /// Into an object of undeclared fields.
    Deduced,
}

impl<'k> View<'k> {
    /// The way to go on at a shape that has one of these values.
    pub(super) fn of(shape: &'k Shape, one: Option<&Value>, other: Option<&Value>) -> Self {
        match shape {
            Shape::List(list) if list.entries != Entries::Atomic => Self::List(list),
            Shape::Map(map) if !map.atomic => Self::Map(map),
            Shape::Deduced if one.or(other).is_none_or(Value::is_null) => Self::Deduced,
            Shape::Deduced if one.is_some_and(Value::is_object) || other.is_some_and(Value::is_object) => {
                Self::Deduced
            }
            _ => Self::Leaf,
        }
    }
}

/// Whether a field is declared, and its shape.
pub(super) fn field_shape<'k>(
    shape: ShapeRef<'k>,
    map: Option<&'k MapShape>,
    name: &str,
) -> (bool, Option<ShapeRef<'k>>) {
    let Some(map) = map else { return (false, Some(shape)) };
    match map.field(name) {
        Some(field) => (true, Some(shape.at(field.shape))),
        None => (false, map.element.map(|id: ShapeId| shape.at(id))),
    }
}

/// The step to a list entry.
pub(super) fn entry_element<'a>(list: &'a ListShape, item: &'a Value) -> Result<Element<'a>, BadEntry> {
    match &list.entries {
        Entries::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        Entries::Set => set_element(item),
        Entries::Keyed(keys) => keyed_element(keys, item),
    }
}

fn set_element(item: &Value) -> Result<Element<'_>, BadEntry> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(Element::Value(Scalar::from_value(scalar).unwrap_or(Scalar::Null))),
    }
}

fn keyed_element<'a>(keys: &'a [Key], item: &'a Value) -> Result<Element<'a>, BadEntry> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    if let [only] = keys {
        let value = key_value(only, map).ok_or_else(|| no_keys(keys))?;
        return Ok(Element::Key([(Cow::Borrowed(only.name.as_ref()), value)].into()));
    }
    let mut found: Vec<_> = keys
        .iter()
        .filter_map(|key| Some((Cow::Borrowed(key.name.as_ref()), key_value(key, map)?)))
        .collect();
    if found.is_empty() {
        return Err(no_keys(keys));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Element::Key(found.into()))
}

fn key_value<'a>(key: &'a Key, map: &'a Map<String, Value>) -> Option<Scalar<'a>> {
    let value = map.get(key.name.as_ref()).or(key.default.as_ref())?;
    Some(Scalar::from_value(value).unwrap_or_else(|| Scalar::from_owned(value.clone())))
}

fn no_keys(keys: &[Key]) -> BadEntry {
    let quoted: Vec<String> = keys.iter().map(|key| portcullis_api::field::go_quote(&key.name)).collect();
    format!(
        "associative list with keys has an element that omits all key fields [{}] \
         (and doesn't have default values for any key fields)",
        quoted.join(" ")
    )
}
