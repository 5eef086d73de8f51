//! JSON merge patch, RFC 7386.

use portcullis_api::{Map, Value};

/// Merges a patch into a tree. Both are bounded in depth, and so is the recursion.
pub(super) fn merge(tree: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, new) in patch {
        match new {
            Value::Null => {
                tree.remove(name);
            }
            Value::Object(below) => match tree.get_mut(name) {
                Some(Value::Object(old)) => merge(old, below),
                _ => {
                    tree.insert(name.clone(), without_nulls(new));
                }
            },
            other => {
                tree.insert(name.clone(), with_old(tree.get(name), other));
            }
        }
    }
}

/// A list that takes the place of an object keeps its nulls, as with upstream's library.
fn with_old(old: Option<&Value>, new: &Value) -> Value {
    match old {
        Some(Value::Object(_)) => new.clone(),
        _ => without_nulls(new),
    }
}

/// A value that is new: what is null in it says nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}
