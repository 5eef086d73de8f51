//! Lists that are sets or maps have no entry twice.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Map, Value};

use super::Structural;
use super::at::At;
use super::node::{Additional, ListType, Node, NodeId};
use super::validate::shown;

/// Checks all lists of an object.
pub(super) fn check(schema: &Structural, object: &Map<String, Value>) -> ErrorList {
    let mut walk = Walk { schema, errors: ErrorList::new() };
    walk.object(schema.root(), object, &At::Root);
    walk.errors
}

struct Walk<'s> {
    schema: &'s Structural,
    errors: ErrorList,
}

impl Walk<'_> {
    fn object(&mut self, id: NodeId, object: &Map<String, Value>, at: &At<'_>) {
        let node = self.schema.node(id);
        if let Additional::Of(id) = node.additional {
            for (name, value) in object {
                self.value(id, value, &At::Key(at, name));
            }
        }
        for (name, value) in object {
            if let Some(id) = node.property(name) {
                self.value(id, value, &At::Field(at, name));
            }
        }
    }

    fn value(&mut self, id: NodeId, value: &Value, at: &At<'_>) {
        match value {
            Value::Object(object) => self.object(id, object, at),
            Value::Array(items) => self.list(id, items, at),
            _ => {}
        }
    }

    fn list(&mut self, id: NodeId, items: &[Value], at: &At<'_>) {
        let node = self.schema.node(id);
        match node.list {
            ListType::Set => self.set(items, at),
            ListType::Map => self.map(node, items, at),
            ListType::Unset | ListType::Atomic => {}
        }
        let Some(item) = node.items else { return };
        for (index, value) in items.iter().enumerate() {
            self.value(item, value, &At::Index(at, index));
        }
    }

    fn set(&mut self, items: &[Value], at: &At<'_>) {
        for (index, value) in repeated(items.iter().map(Entry)) {
            let path = at.path().index(index);
            self.errors.push(Error::duplicate(&path, shown(value.0)));
        }
    }

    fn map(&mut self, node: &Node, items: &[Value], at: &At<'_>) {
        for (index, value) in items.iter().enumerate() {
            if !value.is_null() && !value.is_object() {
                let path = at.path().index(index);
                let words = "must be an object for an array of list-type map";
                return self.errors.push(Error::invalid(&path, shown(value), words));
            }
        }
        let keys = |item| Keys(node, item);
        for (index, keys) in repeated(items.iter().map(keys)) {
            let path = at.path().index(index);
            self.errors.push(Error::duplicate(&path, shown(&keys.to_value())));
        }
    }
}

/// The second appearance of each entry that appears more than once.
fn repeated<K: Hash + Eq + Copy>(entries: impl ExactSizeIterator<Item = K>) -> Vec<(usize, K)> {
    if entries.len() <= 1 {
        return Vec::new();
    }
    let mut seen: HashMap<K, usize> = HashMap::with_capacity(entries.len());
    let mut found = Vec::new();
    for (index, entry) in entries.enumerate() {
        let times = seen.entry(entry).or_default();
        *times += 1;
        if *times == 2 {
            found.push((index, entry));
        }
    }
    found
}

/// An entry of a set.
#[derive(Clone, Copy, PartialEq)]
struct Entry<'v>(&'v Value);

impl Eq for Entry<'_> {}

impl Hash for Entry<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.0, state);
    }
}

/// The keys of an entry of a map.
#[derive(Clone, Copy)]
struct Keys<'v>(&'v Node, &'v Value);

impl<'v> Keys<'v> {
    fn values(self) -> impl Iterator<Item = Option<&'v Value>> {
        let Self(node, item) = self;
        node.keys.iter().map(move |key| item.get(key.as_ref()))
    }

    fn to_value(self) -> Value {
        let keys = self.0.keys.iter().zip(self.values());
        keys.filter_map(|(key, value)| Some((key.to_string(), value?.clone()))).collect::<Map<_, _>>().into()
    }
}

impl PartialEq for Keys<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.values().eq(other.values())
    }
}

impl Eq for Keys<'_> {}

impl Hash for Keys<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.values() {
            value.is_some().hash(state);
            hash(value.unwrap_or(&Value::Null), state);
        }
    }
}

/// Equal values have equal hashes; numbers are equal where their JSON is.
fn hash<H: Hasher>(value: &Value, state: &mut H) {
    std::mem::discriminant(value).hash(state);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(state),
        Value::Number(number) => number.hash(state),
        Value::String(text) => text.hash(state),
        Value::Array(items) => items.iter().for_each(|item| hash(item, state)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            name.hash(state);
            hash(value, state);
        }),
    }
}
