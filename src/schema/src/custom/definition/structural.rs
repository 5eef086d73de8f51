//! Structural schemas: every field has a type, and logic (`allOf`, `not`, …) only narrows values.
//!
//! Mistakes are sorted by their text, as upstream does, since it walks maps in chance order.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::at::At;
use super::super::json::{entries, flag, list, property, schema as schema_in, text, there};
use super::super::pattern;
use super::complete;

/// Whose schema it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const MUST_BE: [(&str, &str); 9] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

/// Checks that a schema is structural.
pub(super) fn check(schema: &Value, at: &At<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    invariants(schema, Level::Root, at, &mut errors);
    complete::check(schema, at, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn invariants(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    if text(schema, "type") == "array" && there(schema, "items").is_none() {
        at.child("items").required(errors, "must be specified");
    }
    if let Some(item) = schema_in(schema, "items") {
        invariants(item, Level::Item, &at.child("items"), errors);
    }
    let properties_at = at.child("properties");
    for (name, property) in entries(schema, "properties") {
        invariants(property, Level::Field, &properties_at.key(name), errors);
    }
    if let Some(additional) = there(schema, "additionalProperties") {
        let here = at.child("additionalProperties");
        if level == Level::Root {
            here.forbidden(errors, "must not be used at the root");
        }
        if additional.is_object() {
            invariants(additional, Level::Field, &here, errors);
        }
    }
    if flag(schema, INT_OR_STRING) {
        for field in [PRESERVE, EMBEDDED] {
            if flag(schema, field) {
                at.child(field).invalid(errors, true, "must be false if x-kubernetes-int-or-string is true");
            }
        }
    }
    values(schema, Skip { any_of: is_either(schema), first_all_of: true }, at, errors);
    types(schema, level, at, errors);
    metadata(schema, level, at, errors);
}

fn types(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    let ty = text(schema, "type");
    let here = at.child("type");
    if flag(schema, EMBEDDED) && ty != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        if ty.is_empty() {
            here.required(errors, words);
        } else {
            here.invalid(errors, ty, words);
        }
    } else if ty.is_empty() && !flag(schema, INT_OR_STRING) && !flag(schema, PRESERVE) {
        here.required(
            errors,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    if flag(schema, EMBEDDED) && there(schema, "additionalProperties").is_some() {
        let words = "must not be used if x-kubernetes-embedded-resource is set";
        at.child("additionalProperties").forbidden(errors, words);
    }
    if level == Level::Root && !ty.is_empty() && ty != "object" {
        here.invalid(errors, ty, "must be object at the root");
    }
}

fn metadata(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    let embedded = flag(schema, EMBEDDED);
    let checked = level == Level::Root || embedded;
    let properties_at = at.child("properties");
    for field in ["kind", "apiVersion"] {
        let ty = property(schema, field).filter(|_| checked).map(|property| text(property, "type"));
        if let Some(ty) = ty.filter(|ty| *ty != "string") {
            properties_at.key(field).child("type").invalid(errors, ty, "must be string");
        }
    }
    if let Some(metadata) = property(schema, "metadata") {
        let here = properties_at.key("metadata");
        let ty = text(metadata, "type");
        if checked && ty != "object" {
            here.child("type").invalid(errors, ty, "must be object");
        }
        if level == Level::Root && !is_plain_metadata(metadata) {
            let words = "must not specify anything other than name and generateName, but metadata is implicitly \
                         specified";
            here.forbidden(errors, words);
        }
    }
    if embedded && !flag(schema, PRESERVE) && entries(schema, "properties").next().is_none() {
        let words = "must not be empty if x-kubernetes-embedded-resource is true without \
                     x-kubernetes-preserve-unknown-fields";
        properties_at.required(errors, words);
    }
}

fn is_plain_metadata(metadata: &Value) -> bool {
    let fields = metadata.as_object().into_iter().flatten();
    let only = |name: &str| matches!(name, "name" | "generateName");
    fields.map(|(field, _)| field.as_str()).all(|field| match field {
        "type" | "default" => true,
        "properties" => entries(metadata, "properties").all(|(name, _)| only(name)),
        _ => false,
    })
}

/// The two ways to say that a value is a number or a text; only there may logic name types.
#[derive(Clone, Copy)]
struct Skip {
    any_of: bool,
    /// Whether the first of `allOf` may say it.
    first_all_of: bool,
}

const NOTHING: Skip = Skip { any_of: false, first_all_of: false };

fn is_either(schema: &Value) -> bool {
    let parts = list(schema, "anyOf");
    let is =
        |part: &Value, ty| part.as_object().is_some_and(|map| map.len() == 1) && text(part, "type") == ty;
    matches!(parts, [number, text] if is(number, "integer") && is(text, "string"))
}

/// Logic that narrows values; what may stand in it is little.
fn values(schema: &Value, skip: Skip, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["anyOf", "allOf", "oneOf"] {
        let here = at.child(field);
        for (i, part) in list(schema, field).iter().enumerate() {
            if field == "anyOf" && skip.any_of {
                continue;
            }
            let either = field == "allOf" && i == 0 && skip.first_all_of && is_either(part);
            nested(part, either, &here.index(i), errors);
        }
    }
    if let Some(not) = schema_in(schema, "not") {
        nested(not, false, &at.child("not"), errors);
    }
    let pattern = text(schema, "pattern");
    if let Err(why) = pattern::check(pattern) {
        let words = format!("must be a valid regular expression, but isn't: {why}");
        at.child("pattern").invalid(errors, pattern, words);
    }
}

fn nested(schema: &Value, skips_any_of: bool, at: &At<'_>, errors: &mut ErrorList) {
    values(schema, Skip { any_of: skips_any_of, ..NOTHING }, at, errors);
    if let Some(item) = schema_in(schema, "items") {
        nested(item, false, &at.child("items"), errors);
    }
    let properties_at = at.child("properties");
    for (name, property) in entries(schema, "properties") {
        nested(property, false, &properties_at.key(name), errors);
    }
    let forbidden = |field: &str| match schema.get(field) {
        // Upstream takes `false` for nothing here.
        Some(Value::Bool(allowed)) => *allowed,
        value => value.is_some_and(|value| !value.is_null()),
    };
    for (field, words) in MUST_BE.iter().filter(|(field, _)| forbidden(field)) {
        at.child(field).forbidden(errors, *words);
    }
    for field in ["nullable", PRESERVE, EMBEDDED, INT_OR_STRING] {
        if flag(schema, field) {
            at.child(field).forbidden(errors, "must be false to be structural");
        }
    }
    if property(schema, "metadata").is_some() {
        properties_at.key("metadata").forbidden(errors, "must not be specified in a nested context");
    }
}
