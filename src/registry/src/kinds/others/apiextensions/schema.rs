//! The schema of a version: what upstream's API allows of OpenAPI.
//!
//! Expressions (`x-kubernetes-validations`) are looked at as text only; they are compiled where they run.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Value};

use super::structural;
use crate::kinds::check::{At, flag, items, text};
use crate::kinds::others::tree::{sub, there};

pub(super) const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// Fields that are not allowed beside a status subresource, and how upstream lists those that are.
const NOT_AT_ROOT: [&str; 14] = [
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "dependencies",
    "enum",
    "id",
    "not",
    "oneOf",
    "patternProperties",
];
const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                       MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                       ExternalDocs Example XPreserveUnknownFields XValidations]";

/// The rules for the schema of a version (or of all), which stands in `openAPIV3Schema`.
pub(super) fn validation(holder: &Value, has_status: bool, at: &At<'_>, errors: &mut ErrorList) {
    let Some(schema) = there(holder, "openAPIV3Schema") else { return };
    if has_status {
        root(schema, at, errors);
    }
    if flag(schema, "nullable") {
        at.child("openAPIV3Schema.nullable").forbidden(errors, "nullable cannot be true at the root");
    }
    let here = at.child("openAPIV3Schema");
    structural::check(schema, here, errors);
    openapi(schema, Place { root: true, in_meta: false, no_defaults: "" }, &here, errors);
}

fn root(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    if !kind.is_empty() && kind != "object" {
        let words = "only \"object\" is allowed as the type at the root of the schema if the status subresource \
                     is enabled";
        at.child("openAPIV3Schema.type").invalid(errors, kind, words);
    } else if NOT_AT_ROOT.iter().any(|field| schema.get(*field).is_some()) {
        let words = format!(
            "only {AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        at.child("openAPIV3Schema").invalid(errors, schema, words);
    }
}

/// Where a schema stands.
#[derive(Clone, Copy)]
struct Place {
    root: bool,
    in_meta: bool,
    /// Why defaults are not allowed; empty where they are.
    no_defaults: &'static str,
}

fn openapi(schema: &Value, place: Place, at: &At<'_>, errors: &mut ErrorList) {
    standard(schema, place, at, errors);
    if flag(schema, "uniqueItems") {
        let words = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        at.child("uniqueItems").forbidden(errors, words);
    }
    additional(schema, place, at, errors);
    let inner = Place { root: false, ..place };
    let properties_at = at.child("properties");
    for (name, property) in entries(schema, "properties") {
        openapi(property, property_place(schema, name, place), &properties_at.key(name), errors);
    }
    if let Some(not) = there(schema, "not") {
        openapi(not, inner, &at.child("not"), errors);
    }
    for field in ["allOf", "oneOf", "anyOf"] {
        let here = at.child(field);
        for (i, part) in items(schema, field).iter().enumerate() {
            openapi(part, inner, &here.index(i), errors);
        }
    }
    let definitions_at = at.child("definitions");
    for (name, definition) in entries(schema, "definitions") {
        openapi(definition, inner, &definitions_at.key(name), errors);
    }
    let items_at = at.child("items");
    match schema.get("items") {
        Some(Value::Array(list)) => {
            for (i, item) in list.iter().enumerate() {
                openapi(item, inner, &items_at.index(i), errors);
            }
        }
        Some(item @ Value::Object(_)) => openapi(item, inner, &items_at, errors),
        _ => {}
    }
    extensions(schema, at, errors);
    expressions(schema, &at.child("x-kubernetes-validations"), errors);
}

fn entries<'a>(schema: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    schema.get(field).and_then(Value::as_object).into_iter().flat_map(Map::iter).map(|(k, v)| (k.as_str(), v))
}

fn property_place(schema: &Value, name: &str, place: Place) -> Place {
    let inner = Place { root: false, ..place };
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let reason = match name {
        "metadata" => "in top-level metadata",
        "kind" => "in top-level kind",
        "apiVersion" => "in top-level apiVersion",
        _ => return inner,
    };
    match (place.root, embedded) {
        (true, _) => Place { in_meta: true, no_defaults: reason, root: false },
        (false, true) => Place { in_meta: true, ..inner },
        (false, false) => inner,
    }
}

fn standard(schema: &Value, place: Place, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        at.child("type").not_supported(errors, kind, &TYPES);
    }
    if schema.get("default").is_some() && !place.no_defaults.is_empty() {
        at.child("default").forbidden(errors, format!("must not be set {}", place.no_defaults));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if schema.get(field).is_some() {
            at.child(field).forbidden(errors, format!("{field} is not supported"));
        }
    }
    if kind == "null" {
        at.child("type").forbidden(errors, "type cannot be set to null, use nullable as an alternative");
    }
    if schema.get("items").is_some_and(Value::is_array) {
        at.child("items").forbidden(errors, "items must be a schema object and not an array");
    }
    if place.in_meta && flag(schema, "x-kubernetes-embedded-resource") {
        let here = at.child("x-kubernetes-embedded-resource");
        here.forbidden(errors, "must not be used inside of resource meta");
    }
}

fn additional(schema: &Value, place: Place, at: &At<'_>, errors: &mut ErrorList) {
    let Some(additional) = there(schema, "additionalProperties") else { return };
    let here = at.child("additionalProperties");
    let has_properties = entries(schema, "properties").next().is_some();
    if has_properties && additional.as_bool() != Some(true) {
        here.forbidden(errors, "additionalProperties and properties are mutual exclusive");
    }
    if additional.is_object() {
        let reason = "inside additionalProperties applying to object metadata";
        let no_defaults = if place.in_meta { reason } else { place.no_defaults };
        openapi(additional, Place { root: false, no_defaults, ..place }, &here, errors);
    }
}

fn extensions(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    let preserve = "x-kubernetes-preserve-unknown-fields";
    if schema.get(preserve).and_then(Value::as_bool) == Some(false) {
        at.child(preserve).invalid(errors, false, "must be true or undefined");
    }
    for (field, of, words) in [
        ("x-kubernetes-map-type", "object", "must be object if x-kubernetes-map-type is specified"),
        ("x-kubernetes-list-type", "array", "must be array if x-kubernetes-list-type is specified"),
    ] {
        if schema.get(field).is_none() || kind == of {
            continue;
        }
        if kind.is_empty() {
            at.child("type").required(errors, words);
        } else {
            at.child("type").invalid(errors, kind, words);
        }
    }
    let map_type = text(schema, "x-kubernetes-map-type");
    if !matches!(map_type, "" | "atomic" | "granular") {
        at.child("x-kubernetes-map-type").not_supported(errors, map_type, &["atomic", "granular"]);
    }
    lists(schema, at, errors);
}

fn lists(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list_type = text(schema, "x-kubernetes-list-type");
    let here = at.child("x-kubernetes-list-type");
    let (items_at, item) = (at.child("items"), sub(schema, "items"));
    if list_type == "set" && text(schema, "type") == "array" {
        let words = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let inner = item.get("x-kubernetes-list-type");
        match text(item, "type") {
            "array" if !matches!(text(item, "x-kubernetes-list-type"), "" | "atomic") => {
                items_at.child("x-kubernetes-list-type").invalid(errors, inner, words);
            }
            "object" if text(item, "x-kubernetes-map-type") != "atomic" => {
                items_at.child("x-kubernetes-map-type").invalid(errors, inner, words);
            }
            _ => {}
        }
    }
    if !matches!(list_type, "" | "atomic" | "set" | "map") {
        here.not_supported(errors, list_type, &["atomic", "set", "map"]);
    }
    let keys: Vec<&str> = crate::kinds::check::texts(schema, "x-kubernetes-list-map-keys").collect();
    let words = "must be map if x-kubernetes-list-map-keys is non-empty";
    match list_type {
        "map" => map_keys(schema, &keys, at, errors),
        "" if !keys.is_empty() => here.required(errors, words),
        other if !keys.is_empty() => here.invalid(errors, other, words),
        _ => {}
    }
}

fn map_keys(schema: &Value, keys: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let (items_at, item) = (at.child("items"), sub(schema, "items"));
    let keys_at = at.child("x-kubernetes-list-map-keys");
    if keys.is_empty() {
        keys_at.required(errors, "must not be empty if x-kubernetes-list-type is map");
    }
    if item.is_null() {
        items_at.required(errors, "must have a schema if x-kubernetes-list-type is map");
        return;
    }
    let kind = text(item, "type");
    if kind != "object" {
        items_at.child("type").invalid(
            errors,
            kind,
            "must be object if parent array's x-kubernetes-list-type is map",
        );
        return;
    }
    let shown = schema.get("x-kubernetes-list-map-keys");
    let properties_at = items_at.child("properties");
    for (i, key) in keys.iter().enumerate() {
        match sub(item, "properties").get(*key) {
            None => keys_at.invalid(errors, shown, "entries must all be names of item properties"),
            Some(property) if matches!(text(property, "type"), "array" | "object") => {
                let words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let here = properties_at.key(key);
                here.child("type").invalid(errors, kind, words);
            }
            Some(_) => {}
        }
        if keys.iter().take(i).any(|other| other == key) {
            keys_at.invalid(errors, shown, "must not contain duplicate entries");
        }
    }
}

fn expressions(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (i, rule) in items(schema, "x-kubernetes-validations").iter().enumerate() {
        expression(rule, &at.index(i), errors);
    }
}

fn expression(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let (body, message) = (text(rule, "rule").trim(), text(rule, "message"));
    let message_at = at.child("message");
    if body.is_empty() {
        at.child("rule").required(errors, "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        message_at.invalid(errors, message, "must be non-empty if specified");
    } else if breaks(message.trim()) {
        message_at.invalid(errors, message, "must not contain line breaks");
    } else if breaks(body) && message.trim().is_empty() {
        message_at.required(errors, "message must be specified if rule contains line breaks");
    }
    let expression = text(rule, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        at.child("messageExpression").required(errors, "messageExpression must be non-empty if specified");
    }
    if let Some(reason) = rule.get("reason").and_then(Value::as_str) {
        crate::kinds::check::one_of(reason, &REASONS, at.child("reason"), errors);
    }
    let path = text(rule, "fieldPath");
    if !path.is_empty() && path.trim().is_empty() {
        at.child("fieldPath").invalid(errors, path, "must be non-empty if specified");
    }
    if breaks(path) {
        at.child("fieldPath").invalid(errors, path, "must not contain line breaks");
    }
}
