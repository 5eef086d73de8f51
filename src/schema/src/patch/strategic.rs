//! Strategic merge patch: a merge patch that knows which lists of a kind are merged by key, and takes
//! directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`).

mod lists;
mod lookup;

use portcullis_api::{ApiError, Map, Reason, Value};

use self::lookup::Target;
use super::json::rejected;
use crate::managed::{go_plain, go_type};
use crate::types::StructId;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Why a patch cannot be applied.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// 400: the patch itself is wrong.
    Format(&'static str),
    /// 422 in fixed words.
    Rejected(&'static str),
    /// 500 in upstream's words.
    Other(String),
}

type Outcome<T> = Result<T, Failure>;

/// Applies a patch to an object of a struct.
pub(super) fn apply(
    root: StructId,
    tree: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    merge_map(tree.clone(), patch.clone(), Target::of_struct(root)).map_err(|failure| match failure {
        Failure::Format(why) => ApiError::bad_request(why),
        Failure::Rejected(why) => rejected(why),
        Failure::Other(why) => ApiError::new(Reason::Unknown, why),
    })
}

fn merge_map(
    mut old: Map<String, Value>,
    mut patch: Map<String, Value>,
    target: Target,
) -> Outcome<Map<String, Value>> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return directed(&directive, patch);
    }
    retain_keys(&mut old, &mut patch)?;
    set_orders(&mut old, &mut patch, target)?;
    for (key, new) in patch {
        let deletes = key.starts_with(DELETE_FROM);
        let key = if deletes { target_key(&key, DELETE_FROM)?.to_owned() } else { key };
        merge_field(&mut old, key, new, target, deletes)?;
    }
    Ok(old)
}

/// An object with a `$patch` is not merged.
fn directed(directive: &Value, mut patch: Map<String, Value>) -> Outcome<Map<String, Value>> {
    match directive.as_str() {
        Some("replace") => Ok(patch),
        Some("delete") => Ok(Map::new()),
        _ => {
            patch.insert(DIRECTIVE.to_owned(), directive.clone());
            Err(unknown_directive(directive, &patch))
        }
    }
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> Failure {
    Failure::Other(format!("unknown patch type: {} in map: {}", go_text(directive), go_map(map)))
}

/// A value as Go's `%s` prints it, which marks what is no text.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "%!s(<nil>)".to_owned(),
        Value::Bool(truth) => format!("%!s(bool={truth})"),
        Value::Number(number) if number.is_f64() => format!("%!s(float64={})", go_plain(value)),
        Value::Number(number) => format!("%!s(int64={number})"),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| format!("{name}:{}", go_text(value)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
    }
}

/// `$retainKeys` names all fields that stay; the patch may set no others.
fn retain_keys(old: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Outcome<()> {
    const WRONG: Failure = Failure::Format("invalid patch format of retainKeys");
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or(WRONG)?;
    let kept = |name: &String| keys.iter().any(|key| key.as_str() == Some(name));
    let set = patch.iter().filter(|(name, value)| {
        !value.is_null() && !name.starts_with(DELETE_FROM) && !name.starts_with(SET_ORDER)
    });
    for (name, _) in set {
        if !kept(name) {
            return Err(WRONG);
        }
    }
    old.retain(|name, _| kept(name));
    Ok(())
}

/// Merges every list that has a `$setElementOrder`, and takes it out of the patch.
fn set_orders(old: &mut Map<String, Value>, patch: &mut Map<String, Value>, target: Target) -> Outcome<()> {
    let orders: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in orders {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            Some(other) => return Err(bad_type("[]interface {}", &other)),
            None => continue,
        };
        let key = target_key(&directive, SET_ORDER)?;
        let was = list_of(old.get(key))?;
        let new = list_of(patch.get(key))?;
        let (target, strategy) = target.list(key)?;
        lists::check_order(new.unwrap_or_default(), &order, strategy.merge_key)?;
        if let Some(merged) = lists::ordered(was, new, &order, target, strategy)? {
            old.insert(key.to_owned(), Value::Array(merged));
            patch.remove(key);
        }
    }
    Ok(())
}

fn list_of(value: Option<&Value>) -> Outcome<Option<&[Value]>> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(bad_type("[]interface {}", other)),
    }
}

fn merge_field(
    old: &mut Map<String, Value>,
    key: String,
    new: Value,
    target: Target,
    deletes: bool,
) -> Outcome<()> {
    if new.is_null() {
        old.remove(&key);
        return Ok(());
    }
    let merged = match (old.remove(&key), new) {
        (Some(Value::Object(was)), Value::Object(new)) => {
            let (below, strategy) = target.field(&key)?;
            Some(Value::Object(if strategy.replaces() { new } else { merge_map(was, new, below)? }))
        }
        (Some(Value::Array(was)), Value::Array(new)) => {
            let (below, strategy) = target.list(&key)?;
            let merges = strategy.merges() || deletes;
            Some(Value::Array(if merges { lists::merge(was, new, below, strategy, deletes)? } else { new }))
        }
        (was, new) => {
            let same_kind = was.as_ref().is_some_and(|was| go_type(was) == go_type(&new));
            if deletes && !same_kind { was } else { taken(new) }
        }
    };
    if let Some(merged) = merged {
        old.insert(key, merged);
    }
    Ok(())
}

/// A value that is new: without nulls and directives; none if it is a directive.
fn taken(mut value: Value) -> Option<Value> {
    discard_nulls(&mut value);
    without_directives(value)
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(name, value)| Some((name, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}

/// The field a directive in a key is about.
fn target_key<'k>(key: &'k str, prefix: &str) -> Outcome<&'k str> {
    let name = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    name.ok_or(Failure::Format(if prefix == DELETE_FROM {
        "invalid patch format of primitive list"
    } else {
        "invalid patch format of setElementOrder list"
    }))
}

fn bad_type(expected: &str, actual: &Value) -> Failure {
    let actual = if actual.is_null() { "%!s(<nil>)" } else { go_type(actual) };
    Failure::Other(format!("expected a {expected}, but received a {actual}"))
}

fn no_merge_key(map: &Map<String, Value>, key: &str) -> Failure {
    Failure::Other(format!("map: {} does not contain declared merge key: {key}", go_map(map)))
}

fn go_map(map: &Map<String, Value>) -> String {
    let fields = map.iter().map(|(name, value)| format!("{name}:{}", go_plain(value)));
    format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;
