//! The fields an object mentions: what its applier owns.

use portcullis_api::{Map, Value};

use super::element::Element;
use super::set::{FieldSet, Node};
use super::shape::{ListShape, MapShape, ShapeRef};
use super::walk::{View, entry_element, field_shape};

/// All leaves, list entries and map entries of an object.
pub fn fieldset_of<'a>(shape: ShapeRef<'a>, object: &'a Value) -> FieldSet<'a> {
    own(shape, object).1
}

/// Whether a value's own path is in the set, and the paths below it.
fn own<'a>(shape: ShapeRef<'a>, value: &'a Value) -> (bool, FieldSet<'a>) {
    match View::of(shape.get(), Some(value), None) {
        View::Leaf => (true, FieldSet::new()),
        View::List(list) => {
            (false, value.as_array().map(|items| entries(shape, list, items)).unwrap_or_default())
        }
        View::Map(map) => (false, fields_of(shape, Some(map), value)),
        View::Deduced => (false, fields_of(shape, None, value)),
    }
}

fn fields_of<'a>(shape: ShapeRef<'a>, map: Option<&'a MapShape>, value: &'a Value) -> FieldSet<'a> {
    value.as_object().map(|object| fields(shape, map, object)).unwrap_or_default()
}

fn fields<'a>(
    shape: ShapeRef<'a>,
    map: Option<&'a MapShape>,
    object: &'a Map<String, Value>,
) -> FieldSet<'a> {
    let mut set = FieldSet::new();
    for (name, value) in object {
        let (declared, Some(below)) = field_shape(shape, map, name) else { continue };
        let (leaf, children) = own(below, value);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        set.push(Node::new(Element::field(name), leaf || empty || !declared, children));
    }
    set
}

/// Every entry is in the set. Of entries with the same keys only the step is, not what lies below.
fn entries<'a>(shape: ShapeRef<'a>, list: &'a ListShape, items: &'a [Value]) -> FieldSet<'a> {
    let item = shape.at(list.item);
    let mut found: Vec<_> =
        items.iter().filter_map(|value| Some((entry_element(list, value).ok()?, value))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut set = FieldSet::new();
    for same in found.chunk_by(|a, b| a.0 == b.0) {
        let Some((element, value)) = same.first() else { continue };
        let children = if same.len() > 1 { FieldSet::new() } else { own(item, value).1 };
        set.push(Node::new(element.clone(), true, children));
    }
    set
}
