//! Taking fields out of an object, and the sets that say which.

use portcullis_api::{Map, Value};

use super::element::Element;
use super::set::{FieldSet, Node};
use super::shape::{Entries, ListShape, Shape, ShapeRef};
use super::walk::{View, entry_element, field_shape};

/// Removes the fields, map entries and list entries of a set from a value.
pub fn remove(shape: ShapeRef<'_>, value: Value, set: &FieldSet<'_>) -> Value {
    match (View::of(shape.get(), Some(&value), None), value) {
        (View::List(list), Value::Array(items)) => remove_entries(shape, list, items, set),
        (View::Map(map), Value::Object(object)) => remove_fields(shape, Some(map), object, set),
        (View::Deduced, Value::Object(object)) => remove_fields(shape, None, object, set),
        (_, Value::Array(_) | Value::Object(_)) => Value::Null,
        (_, scalar) => scalar,
    }
}

fn remove_fields(
    shape: ShapeRef<'_>,
    map: Option<&super::shape::MapShape>,
    object: Map<String, Value>,
    set: &FieldSet<'_>,
) -> Value {
    let mut out = Map::new();
    let mut matched = false;
    for (name, value) in object {
        let Some(node) = set.get_field(&name) else {
            out.insert(name, value);
            continue;
        };
        if node.member {
            continue;
        }
        matched = true;
        let (_, Some(below)) = field_shape(shape, map, &name) else { continue };
        out.insert(name, remove_below(below, value, node));
    }
    if out.is_empty() && !matched { Value::Null } else { Value::Object(out) }
}

fn remove_entries(shape: ShapeRef<'_>, list: &ListShape, items: Vec<Value>, set: &FieldSet<'_>) -> Value {
    let item = shape.at(list.item);
    let mut out = Vec::with_capacity(items.len());
    let mut matched = false;
    for value in items {
        let node = entry_element(list, &value).ok().and_then(|element| set.get(&element));
        match node {
            None => out.push(value),
            Some(node) if node.member => {}
            Some(node) => {
                matched = true;
                out.push(remove_below(item, value, node));
            }
        }
    }
    if out.is_empty() && !matched { Value::Null } else { Value::Array(out) }
}

/// A container that loses all it has stays, empty.
fn remove_below(shape: ShapeRef<'_>, value: Value, node: &Node<'_>) -> Value {
    let empty = match &value {
        Value::Object(_) => Value::Object(Map::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    };
    match remove(shape, value, &node.children) {
        Value::Null => empty,
        kept => kept,
    }
}

/// The set with every declared field on the way to its members.
pub fn with_named_parents<'a>(shape: ShapeRef<'_>, set: &FieldSet<'a>) -> FieldSet<'a> {
    named(Some(shape), set)
}

fn named<'a>(shape: Option<ShapeRef<'_>>, set: &FieldSet<'a>) -> FieldSet<'a> {
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let (declared, below) = step(shape, &node.element);
        let member = node.member || (declared && !node.children.is_empty());
        out.push(Node::new(node.element.clone(), member, named(below, &node.children)));
    }
    out
}

/// Whether a step is that of a declared field, and the shape it leads to.
fn step<'k>(shape: Option<ShapeRef<'k>>, element: &Element<'_>) -> (bool, Option<ShapeRef<'k>>) {
    let Some(shape) = shape else { return (false, None) };
    match (shape.get(), element) {
        (Shape::Map(map), Element::Field(name)) => field_shape(shape, Some(map), name),
        (Shape::Deduced, Element::Field(_)) => (false, Some(shape)),
        (Shape::List(list), Element::Key(_)) => (false, Some(shape.at(list.item))),
        _ => (false, None),
    }
}

/// Brings a set that was written under an older schema in line with the shape: where a list, map or
/// struct is atomic now, its owner owns it as a whole.
pub fn reconcile<'a>(shape: ShapeRef<'_>, set: FieldSet<'a>) -> FieldSet<'a> {
    if !needs_reconciling(shape, &set) {
        return set;
    }
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let Some(below) = any_step(shape, &node.element) else {
            out.push(node.clone());
            continue;
        };
        let atomic = is_atomic(below.get());
        out.push(if atomic && !node.children.is_empty() {
            Node::new(node.element.clone(), true, FieldSet::new())
        } else {
            Node::new(node.element.clone(), node.member, reconcile(below, node.children.clone()))
        });
    }
    out
}

fn needs_reconciling(shape: ShapeRef<'_>, set: &FieldSet<'_>) -> bool {
    set.nodes().iter().filter(|node| !node.children.is_empty()).any(|node| {
        any_step(shape, &node.element)
            .is_some_and(|below| is_atomic(below.get()) || needs_reconciling(below, &node.children))
    })
}

fn any_step<'k>(shape: ShapeRef<'k>, element: &Element<'_>) -> Option<ShapeRef<'k>> {
    match (shape.get(), element) {
        (Shape::List(list), _) => Some(shape.at(list.item)),
        _ => step(Some(shape), element).1,
    }
}

fn is_atomic(shape: &Shape) -> bool {
    match shape {
        Shape::List(list) => list.entries == Entries::Atomic,
        Shape::Map(map) => map.atomic,
        Shape::Opaque => true,
        Shape::Scalar(_) | Shape::Deduced | Shape::BuiltIn(_) => false,
    }
}
