//! What the schema does not specify is removed.
//!
//! A schema that preserves unknown fields keeps them, and pruning starts again below the properties that
//! it does specify. Embedded objects keep `apiVersion`, `kind` and `metadata`.

use std::fmt::Write as _;

use portcullis_api::{Map, Value};

use super::Structural;
use super::node::{Additional, Node, NodeId};

/// What every object has.
pub(super) const HEAD: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes unknown fields of a whole object and tells their paths, sorted.
pub(super) fn unknown(schema: &Structural, object: &mut Map<String, Value>) -> Vec<String> {
    let mut walk = Walk { schema, path: String::new(), removed: Vec::new() };
    let root = schema.node(schema.root());
    if root.preserve {
        walk.keep_members(root, true, object);
    } else {
        walk.members(Some((root, true)), object);
    }
    walk.removed.sort_unstable();
    walk.removed
}

/// Removes unknown fields of a value; `whole` for an object of its own, which keeps its head.
pub(super) fn value(schema: &Structural, id: NodeId, whole: bool, value: &mut Value) {
    let mut walk = Walk { schema, path: String::new(), removed: Vec::new() };
    match (value, schema.node(id)) {
        (Value::Object(members), node) if whole && node.preserve => walk.keep_members(node, true, members),
        (Value::Object(members), node) if whole => walk.members(Some((node, true)), members),
        (value, _) => walk.value(Some(id), value),
    }
}

/// Removes nulls that may not be null and have no default.
pub(super) fn nulls(schema: &Structural, object: &mut Map<String, Value>) {
    drop_nulls(schema, schema.root(), object);
}

struct Walk<'s> {
    schema: &'s Structural,
    path: String,
    removed: Vec<String>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, id: Option<NodeId>, value: &mut Value) {
        let node = id.map(|id| self.schema.node(id));
        match (node, value) {
            (Some(node), value) if node.preserve => self.keep(node, value),
            (node, Value::Object(members)) => self.members(node.map(|node| (node, node.embedded)), members),
            (node, Value::Array(items)) => self.entries(node.and_then(|node| node.items), items),
            _ => {}
        }
    }

    /// The members of an object; without a schema none is known. An object that is `whole` has a head.
    fn members(&mut self, node: Option<(&'s Node, bool)>, members: &mut Map<String, Value>) {
        let Some((node, whole)) = node else {
            for name in members.keys() {
                self.note(name);
            }
            return members.clear();
        };
        members.retain(|name, value| {
            if whole && HEAD.contains(&name.as_str()) {
                return true;
            }
            match below(node, name) {
                Some(id) => self.at(name, |walk| walk.value(id, value)),
                None => {
                    self.note(name);
                    return false;
                }
            }
            true
        });
    }

    fn entries(&mut self, item: Option<NodeId>, items: &mut [Value]) {
        for (place, value) in items.iter_mut().enumerate() {
            self.at_index(place, |walk| walk.value(item, value));
        }
    }

    /// What preserves unknown fields is pruned only below what it specifies.
    fn keep(&mut self, node: &'s Node, value: &mut Value) {
        match value {
            Value::Object(members) => self.keep_members(node, node.embedded, members),
            Value::Array(items) => {
                let Some(item) = node.items.map(|id| self.schema.node(id)) else { return };
                for (place, value) in items.iter_mut().enumerate() {
                    self.at_index(place, |walk| walk.keep(item, value));
                }
            }
            _ => {}
        }
    }

    fn keep_members(&mut self, node: &'s Node, whole: bool, members: &mut Map<String, Value>) {
        for (name, value) in members {
            if whole && HEAD.contains(&name.as_str()) {
                continue;
            }
            if let Some(id) = below(node, name) {
                self.at(name, |walk| walk.value(id, value));
            }
        }
    }

    fn note(&mut self, name: &str) {
        if self.path.is_empty() && HEAD.contains(&name) {
            return;
        }
        self.at(name, |walk| walk.removed.push(walk.path.clone()));
    }

    fn at(&mut self, name: &str, work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        work(self);
        self.path.truncate(length);
    }

    fn at_index(&mut self, place: usize, work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        let _infallible = write!(self.path, "[{place}]");
        work(self);
        self.path.truncate(length);
    }
}

/// Whether a member is specified, and by which schema: `additionalProperties: true` has none.
fn below(node: &Node, name: &str) -> Option<Option<NodeId>> {
    match (node.property(name), node.additional) {
        (Some(id), _) | (None, Additional::Of(id)) => Some(Some(id)),
        (None, Additional::Any | Additional::Refused) => Some(None),
        (None, Additional::Unset) => None,
    }
}

fn drop_nulls(schema: &Structural, id: NodeId, members: &mut Map<String, Value>) {
    let node = schema.node(id);
    members.retain(|name, value| {
        let Some(id) = node.value_of(name) else { return true };
        let below = schema.node(id);
        if value.is_null() && !below.nullable && below.default.is_none() {
            return false;
        }
        drop_nulls_below(schema, id, value);
        true
    });
}

fn drop_nulls_below(schema: &Structural, id: NodeId, value: &mut Value) {
    match value {
        Value::Object(members) => drop_nulls(schema, id, members),
        Value::Array(items) => {
            let Some(item) = schema.node(id).items else { return };
            items.iter_mut().for_each(|value| drop_nulls_below(schema, item, value));
        }
        _ => {}
    }
}
