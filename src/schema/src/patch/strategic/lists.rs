//! Merging lists: of objects by their merge key, of scalars as sets; and the order the result has.
//!
//! Items of the patch come in the patch's order, items that only the live list has keep theirs, and the
//! two are interleaved by the live order as well as that goes.

use std::collections::HashMap;

use portcullis_api::{Map, Value};

use super::lookup::{Strategy, Target};
use super::{
    DIRECTIVE, Failure, Outcome, bad_type, merge_map, no_merge_key, unknown_directive, without_directives,
};
use crate::managed::{go_plain, go_type};

/// Merges a patch's list into a live one, or deletes from it what the patch lists.
pub(super) fn merge(
    was: Vec<Value>,
    new: Vec<Value>,
    item: Target,
    strategy: Strategy,
    deletes: bool,
) -> Outcome<Vec<Value>> {
    if was.is_empty() && new.is_empty() {
        return Ok(was);
    }
    if element_type(&[&was, &new])? != Kind::Object {
        if deletes {
            let gone = Places::of(&new, "");
            return Ok(was.into_iter().filter(|value| gone.of_item(value).is_none()).collect());
        }
        let merged = deduplicated(was.iter().chain(&new));
        return in_order(merged, &new, &was, "", Kind::Scalar);
    }
    let key = strategy.merge_key;
    if key.is_empty() {
        return Err(Failure::Other(format!("cannot merge lists without merge key for {}", item.kind())));
    }
    let (was, new) = special_items(was, new, key)?;
    // What is new has no place in the live order, and so comes first.
    let live: Vec<Value> = was.iter().map(|item| only_key(item, key)).collect();
    let merged = merge_items(was, &new, key, item)?;
    in_order(merged, &new, &live, key, Kind::Object)
}

/// Merges a list whose order the patch gives; none if there is neither a live list nor one in the patch.
pub(super) fn ordered(
    was: Option<&[Value]>,
    new: Option<&[Value]>,
    order: &[Value],
    item: Target,
    strategy: Strategy,
) -> Outcome<Option<Vec<Value>>> {
    let merged = match (was, new) {
        (None, None) => return Ok(None),
        (Some(was), None) => was.to_vec(),
        (None, Some(new)) => new.iter().cloned().filter_map(without_directives).collect(),
        (Some(was), Some(new)) if strategy.merges() => {
            merge(was.to_vec(), new.to_vec(), item, strategy, false)?
        }
        (Some(_), Some(new)) => new.to_vec(),
    };
    let (was, new) = (was.unwrap_or_default(), new.unwrap_or_default());
    let kind = element_type(&[was, new])?;
    in_order(merged, order, was, strategy.merge_key, kind).map(Some)
}

/// The items of a patch must be in its `$setElementOrder`, in the same order.
pub(super) fn check_order(new: &[Value], order: &[Value], key: &str) -> Outcome<()> {
    if new.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::with_capacity(new.len());
    for value in new {
        if !key.is_empty() {
            let map = value.as_object().ok_or_else(|| bad_type("map[string]interface {}", value))?;
            if map.contains_key(DIRECTIVE) {
                continue;
            }
        }
        wanted.push(value);
    }
    let mut next = wanted.iter().peekable();
    for place in order {
        let Some(value) = next.peek() else { break };
        if same_key(value, place, key)? {
            next.next();
        }
    }
    if next.peek().is_none() {
        return Ok(());
    }
    let (new, order) = (go_list(new), go_list(order));
    Err(Failure::Other(format!(
        "The order in patch list:\n{new}\n doesn't match $setElementOrder list:\n{order}\n"
    )))
}

fn go_list(items: &[Value]) -> String {
    format!("[{}]", items.iter().map(go_plain).collect::<Vec<_>>().join(" "))
}

fn same_key(left: &Value, right: &Value, key: &str) -> Outcome<bool> {
    if key.is_empty() { Ok(left == right) } else { Ok(key_of(left, key)? == key_of(right, key)?) }
}

fn key_of<'v>(item: &'v Value, key: &str) -> Outcome<&'v Value> {
    let map = item.as_object().ok_or_else(|| bad_type("map[string]interface {}", item))?;
    map.get(key).ok_or_else(|| no_merge_key(map, key))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Scalar,
}

/// What all items of both lists are.
fn element_type(lists: &[&[Value]]) -> Outcome<Kind> {
    let mut items = lists.iter().copied().flatten();
    let first =
        items.next().ok_or_else(|| Failure::Other("no elements in any of the given slices".to_owned()))?;
    if first.is_array() || first.is_null() {
        return Err(Failure::Rejected("lists of lists are not supported"));
    }
    if items.any(|item| go_type(item) != go_type(first)) {
        let shown: Vec<String> = lists.iter().map(|list| go_list(list)).collect();
        return Err(Failure::Other(format!("list element types are not identical: [{}]", shown.join(" "))));
    }
    Ok(if first.is_object() { Kind::Object } else { Kind::Scalar })
}

/// Carries out the directives among the items of a patch: the live list without what they delete, and
/// the other items of the patch.
fn special_items(mut was: Vec<Value>, new: Vec<Value>, key: &str) -> Outcome<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::with_capacity(new.len());
    let mut replaces = false;
    for item in new {
        let Some(map) = item.as_object() else { continue };
        match map.get(DIRECTIVE) {
            None => plain.push(item),
            Some(Value::String(directive)) if directive == "delete" => {
                let gone = map.get(key).ok_or_else(|| no_merge_key(map, key))?;
                was.retain(|old| old.get(key) != Some(gone));
            }
            Some(Value::String(directive)) if directive == "replace" => replaces = true,
            Some(Value::String(directive)) if directive == "merge" => {
                return Err(Failure::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(other) => return Err(unknown_directive(other, map)),
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (was, plain) })
}

/// Merges each item of a patch into the live item with its key, or appends it.
fn merge_items(mut was: Vec<Value>, new: &[Value], key: &str, target: Target) -> Outcome<Vec<Value>> {
    let mut places = Places::of(&was, key);
    for item in new {
        key_of(item, key)?;
        match places.of_item(item).and_then(|at| was.get_mut(at)) {
            Some(slot) => {
                if let (Value::Object(old), Value::Object(patch)) = (slot.take(), item) {
                    *slot = Value::Object(merge_map(old, patch.clone(), target)?);
                }
            }
            None => {
                places.add(item, was.len());
                was.push(item.clone());
            }
        }
    }
    Ok(was)
}

fn only_key(item: &Value, key: &str) -> Value {
    let value = item.get(key).cloned();
    Value::Object(value.map(|value| Map::from_iter([(key.to_owned(), value)])).unwrap_or_default())
}

fn deduplicated<'v>(items: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let mut seen = HashMap::new();
    let mut out = Vec::new();
    for item in items {
        if seen.insert(item.to_string(), ()).is_none() {
            out.push(item.clone());
        }
    }
    out
}

/// Sorts items that `order` has by it, the others by the live order, and interleaves the two.
fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: &str,
    kind: Kind,
) -> Outcome<Vec<Value>> {
    let key = if kind == Kind::Object { key } else { "" };
    if kind == Kind::Object {
        for item in merged.iter().chain(order).chain(live) {
            key_of(item, key)?;
        }
    }
    let (wanted, lived) = (Places::of(order, key), Places::of(live, key));
    let (mut ours, mut theirs): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| wanted.of_item(item).is_some());
    ours.sort_by_key(|item| wanted.of_item(item));
    theirs.sort_by_key(|item| lived.of_item(item));
    let mut out = Vec::with_capacity(ours.len() + theirs.len());
    let mut theirs = theirs.into_iter().peekable();
    for item in ours {
        let place = lived.of_item(&item);
        while let Some(before) = theirs.next_if(|their| match (lived.of_item(their), place) {
            (Some(before), Some(place)) => before < place,
            _ => false,
        }) {
            out.push(before);
        }
        out.push(item);
    }
    out.extend(theirs);
    Ok(out)
}

/// Where each item of a list is first, by its merge key or by itself.
struct Places<'k> {
    key: &'k str,
    places: HashMap<String, usize>,
}

impl<'k> Places<'k> {
    fn of(items: &[Value], key: &'k str) -> Self {
        let mut places = Self { key, places: HashMap::with_capacity(items.len()) };
        for (at, item) in items.iter().enumerate() {
            places.add(item, at);
        }
        places
    }

    fn text(&self, item: &Value) -> Option<String> {
        if self.key.is_empty() { Some(item.to_string()) } else { item.get(self.key).map(Value::to_string) }
    }

    fn add(&mut self, item: &Value, at: usize) {
        if let Some(text) = self.text(item) {
            self.places.entry(text).or_insert(at);
        }
    }

    fn of_item(&self, item: &Value) -> Option<usize> {
        self.places.get(&self.text(item)?).copied()
    }
}
