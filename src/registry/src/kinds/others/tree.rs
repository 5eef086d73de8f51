//! Looking into objects, and checks that kinds of several groups share.

use portcullis_api::field::{ErrorList, Path};
use portcullis_api::selector::LabelSelector;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, immutable_as, non_negative};

static NULL: Value = Value::Null;

/// A top-level field; null where there is none.
pub(super) fn part<'a>(object: &'a Object, field: &str) -> &'a Value {
    object.get(field).unwrap_or(&NULL)
}

/// A field of a value; null where there is none.
pub(super) fn sub<'a>(value: &'a Value, field: &str) -> &'a Value {
    value.get(field).unwrap_or(&NULL)
}

/// A field that is there: some are written as null when they are not.
pub(super) fn there<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// The path below a dotted base, for places the caller knows by name.
pub(super) fn path(steps: &[&str]) -> Path {
    steps.iter().fold(Path::root(), |path, step| path.child(step))
}

/// Whether a label selector selects some labels (`None` for one that makes no sense).
pub(super) fn selects(selector: Option<&Value>, labels: Option<&Value>) -> Option<bool> {
    let selector = LabelSelector::from_object(selector).ok()?;
    Some(selector.matches(|key| labels?.get(key)?.as_str()))
}

/// Whether a label selector is there and says nothing.
pub(super) fn is_empty_selector(selector: &Value) -> bool {
    let len = |field: &str| match selector.get(field) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    };
    len("matchLabels") + len("matchExpressions") == 0
}

/// A selector may not change.
pub(super) fn immutable_selector(
    new: Option<&Value>,
    old: Option<&Value>,
    at: At<'_>,
    errors: &mut ErrorList,
) {
    immutable_as("*LabelSelector", new, old, at, errors);
}

/// An amount is a number that is not negative, or a percentage.
pub(super) fn amount(value: &Value, at: At<'_>, errors: &mut ErrorList) {
    match value {
        Value::String(percent) => at.rule(errors, percent, names::percent),
        number => non_negative(number.as_i64().unwrap_or_default(), at, errors),
    }
}

/// A percentage may not be above 100.
pub(super) fn at_most_all(value: &Value, at: At<'_>, errors: &mut ErrorList) {
    if percentage(value).is_some_and(|percent| percent > 100) {
        at.invalid(errors, value, "must not be greater than 100%");
    }
}

/// The number in an amount; a percentage counts as its number, anything else as the number it starts with.
pub(super) fn amount_of(value: &Value) -> i64 {
    match value {
        Value::String(text) => percentage(value).or_else(|| text.parse().ok()).unwrap_or_default(),
        number => number.as_i64().unwrap_or_default(),
    }
}

fn percentage(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    if !names::percent(text).is_empty() {
        return None;
    }
    // More digits than a number has room for are saturated, as upstream's parser does.
    Some(text.strip_suffix('%')?.parse().unwrap_or(i64::MAX))
}

/// Numbers of a status that may not be negative, absent ones count as zero.
pub(super) fn counters(status: &Value, fields: &[&str], errors: &mut ErrorList) {
    let at = At::root("status");
    for field in fields {
        non_negative(crate::kinds::check::int(status, field), at.child(field), errors);
    }
}

/// Numbers of a status that may not be above another one.
pub(super) fn at_most(status: &Value, fields: &[&str], bound: &str, words: &str, errors: &mut ErrorList) {
    let at = At::root("status");
    let number = |field: &str| crate::kinds::check::int(status, field);
    for field in fields {
        if number(field) > number(bound) {
            at.child(field).invalid(errors, number(field), words);
        }
    }
}

/// A number of a status that only grows.
pub(super) fn never_less(new: &Object, old: &Object, field: &str, errors: &mut ErrorList) {
    let number = |object: &Object| object.at(&["status", field]).and_then(Value::as_i64);
    let lost = match (number(old), number(new)) {
        (Some(_), None) => true,
        (Some(old), Some(new)) => new < old,
        (None, _) => false,
    };
    if lost {
        At::root("status").child(field).invalid(
            errors,
            number(new).unwrap_or_default(),
            "cannot be decremented",
        );
    }
}
