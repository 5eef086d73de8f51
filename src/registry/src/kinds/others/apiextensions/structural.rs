//! Structural schemas: every field has a type, and logic (`allOf`, `not`, …) only narrows values.
//!
//! Mistakes are sorted by their text, since upstream walks maps whose order is chance.

use portcullis_api::Value;
use portcullis_api::field::{Error, ErrorList};

use super::schema::TYPES;
use crate::kinds::check::{At, entries, flag, items, text};
use crate::kinds::others::tree::{sub, there};

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

/// The rules for structural schemas; defaults are checked where the schema is structural.
pub(super) fn check(schema: &Value, at: At<'_>, errors: &mut ErrorList) {
    let mut found = ErrorList::new();
    invariants(schema, Level::Root, &at, &mut found);
    if found.is_empty() {
        defaults(schema, &at, &mut found);
    }
    found.sort_by_cached_key(ToString::to_string);
    errors.append(&mut found);
}

fn invariants(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    if text(schema, "type") == "array" && there(schema, "items").is_none() {
        at.child("items").required(errors, "must be specified");
    }
    if let Some(item) = there(schema, "items").filter(|item| item.is_object()) {
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
        if flag(schema, EMBEDDED) {
            here.forbidden(errors, "must not be used if x-kubernetes-embedded-resource is set");
        }
    }
    if flag(schema, INT_OR_STRING) {
        for field in [PRESERVE, EMBEDDED] {
            if flag(schema, field) {
                at.child(field).invalid(errors, true, "must be false if x-kubernetes-int-or-string is true");
            }
        }
    }
    values(schema, at, errors);
    types(schema, level, at, errors);
    metadata(schema, level, at, errors);
}

fn types(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    let here = at.child("type");
    if flag(schema, EMBEDDED) && kind != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() {
            here.required(errors, words);
        } else {
            here.invalid(errors, kind, words);
        }
    } else if kind.is_empty() && !flag(schema, INT_OR_STRING) && !flag(schema, PRESERVE) {
        here.required(
            errors,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        here.invalid(errors, kind, "must be object at the root");
    }
}

fn metadata(schema: &Value, level: Level, at: &At<'_>, errors: &mut ErrorList) {
    let embedded = flag(schema, EMBEDDED);
    let checked = level == Level::Root || embedded;
    let properties = sub(schema, "properties");
    let properties_at = at.child("properties");
    for field in ["kind", "apiVersion"] {
        let kind = properties.get(field).filter(|_| checked).map(|property| text(property, "type"));
        if let Some(kind) = kind.filter(|kind| *kind != "string") {
            let here = properties_at.key(field);
            here.child("type").invalid(errors, kind, "must be string");
        }
    }
    if let Some(metadata) = properties.get("metadata") {
        let here = properties_at.key("metadata");
        let kind = text(metadata, "type");
        if checked && kind != "object" {
            here.child("type").invalid(errors, kind, "must be object");
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

/// Logic that narrows values; what may stand in it is little.
fn values(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let is_either = |list: &[Value]| {
        let types: Vec<&str> = list.iter().map(|part| text(part, "type")).collect();
        types == ["integer", "string"]
            && list.iter().all(|part| part.as_object().is_some_and(|map| map.len() == 1))
    };
    for field in ["anyOf", "allOf", "oneOf"] {
        let list = items(schema, field);
        let here = at.child(field);
        // A number or a text is said this way; it is the one place where types may stand.
        let skips = field == "anyOf" && is_either(list);
        for (i, part) in list.iter().enumerate().filter(|_| !skips) {
            let first_either = field == "allOf" && i == 0 && is_either(items(part, "anyOf"));
            nested(part, first_either, &here.index(i), errors);
        }
    }
    if let Some(not) = there(schema, "not") {
        nested(not, false, &at.child("not"), errors);
    }
}

fn nested(schema: &Value, skips_either: bool, at: &At<'_>, errors: &mut ErrorList) {
    if !skips_either {
        values(schema, at, errors);
    }
    if let Some(item) = there(schema, "items").filter(|item| item.is_object()) {
        nested(item, false, &at.child("items"), errors);
    }
    let properties_at = at.child("properties");
    for (name, property) in entries(schema, "properties") {
        nested(property, false, &properties_at.key(name), errors);
    }
    for (field, words) in MUST_BE.iter().filter(|(field, _)| schema.get(*field).is_some()) {
        at.child(field).forbidden(errors, *words);
    }
    for field in ["nullable", PRESERVE, EMBEDDED, INT_OR_STRING] {
        if flag(schema, field) {
            at.child(field).forbidden(errors, "must be false to be structural");
        }
    }
    if sub(schema, "properties").get("metadata").is_some() {
        properties_at.key("metadata").forbidden(errors, "must not be specified in a nested context");
    }
}

/// Defaults have the type their field has.
fn defaults(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    if let Some(default) = schema.get("default").filter(|default| !default.is_null())
        && TYPES.contains(&kind)
        && !fits(default, kind)
    {
        let found = type_of(default);
        let words = format!(" in body must be of type {kind}: \"{found}\"");
        errors.push(Error::type_invalid(&at.child("default").to_path(), found, words));
    }
    if let Some(item) = there(schema, "items").filter(|item| item.is_object()) {
        defaults(item, &at.child("items"), errors);
    }
    let properties_at = at.child("properties");
    for (name, property) in entries(schema, "properties") {
        defaults(property, &properties_at.key(name), errors);
    }
    if let Some(additional) = there(schema, "additionalProperties").filter(|schema| schema.is_object()) {
        defaults(additional, &at.child("additionalProperties"), errors);
    }
}

fn fits(value: &Value, kind: &str) -> bool {
    let found = type_of(value);
    found == kind || (kind == "number" && found == "integer")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
