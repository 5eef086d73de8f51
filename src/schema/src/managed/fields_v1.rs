//! `FieldsV1`: a set of paths as JSON, in and out.
//!
//! Every step is a key (`f:name`, `k:{"name":"a"}`, `v:"x"`, `i:0`); `.` says that the path up to here is
//! in the set although longer ones are, too; an empty object is a path's end.

use portcullis_api::{Map, Value};

use super::element::Element;
use super::set::{FieldSet, Node};

/// How deep a client's `FieldsV1` may nest; objects cannot nest deeper either.
const MAX_DEPTH: usize = 128;

/// A `FieldsV1` that is malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFields;

impl<'a> FieldSet<'a> {
    /// Reads `FieldsV1`, borrowing its keys. Steps of an unknown kind are ignored.
    pub fn from_fields_v1(fields: &'a Value) -> Result<Self, BadFields> {
        Ok(read(fields, 0)?.1)
    }

    /// Writes `FieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(write(self, false))
    }
}

/// Whether the path that leads here is a member, and what lies below.
fn read(fields: &Value, depth: usize) -> Result<(bool, FieldSet<'_>), BadFields> {
    let map = match fields {
        Value::Object(map) if depth < MAX_DEPTH => map,
        Value::Null => return Ok((true, FieldSet::new())),
        _ => return Err(BadFields),
    };
    let mut set = FieldSet::new();
    let mut member = false;
    for (key, below) in map {
        if key == "." {
            member = true;
            continue;
        }
        let Some(element) = Element::parse(key).map_err(|_| BadFields)? else { continue };
        let (own, children) = read(below, depth + 1)?;
        set.push(Node::new(element, own, children));
    }
    member |= set.is_empty();
    Ok((member, set))
}

fn write(set: &FieldSet<'_>, member: bool) -> Map<String, Value> {
    let mut map = Map::new();
    if member && !set.is_empty() {
        map.insert(".".to_owned(), Value::Object(Map::new()));
    }
    for node in set.nodes() {
        map.insert(node.element.to_key(), Value::Object(write(&node.children, node.member)));
    }
    map
}
