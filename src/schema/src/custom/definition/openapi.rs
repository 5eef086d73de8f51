//! What the API allows of OpenAPI.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::at::At;
use super::super::json::{entries, flag, list, text, there};
use super::{expressions, lists};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Checks a whole schema.
pub(super) fn check(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    openapi(schema, Place { root: true, in_meta: false, no_defaults: "" }, at, errors);
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
        for (i, part) in list(schema, field).iter().enumerate() {
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
    let dependencies_at = at.child("dependencies");
    for (name, dependency) in entries(schema, "dependencies").filter(|(_, schema)| schema.is_object()) {
        openapi(dependency, inner, &dependencies_at.key(name), errors);
    }
    extensions(schema, at, errors);
    lists::check(schema, at, errors);
    expressions::check(schema, &at.child("x-kubernetes-validations"), errors);
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
    let ty = text(schema, "type");
    if !ty.is_empty() && !TYPES.contains(&ty) {
        at.child("type").not_supported(errors, ty, &TYPES);
    }
    if schema.get("default").is_some() && !place.no_defaults.is_empty() {
        at.child("default").forbidden(errors, format!("must not be set {}", place.no_defaults));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if schema.get(field).is_some() {
            at.child(field).forbidden(errors, format!("{field} is not supported"));
        }
    }
    if ty == "null" {
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
    let preserve = "x-kubernetes-preserve-unknown-fields";
    if schema.get(preserve).and_then(Value::as_bool) == Some(false) {
        at.child(preserve).invalid(errors, false, "must be true or undefined");
    }
    if schema.get("x-kubernetes-map-type").is_some() {
        let words = "must be object if x-kubernetes-map-type is specified";
        must_be(schema, "object", words, at, errors);
    }
    let map_type = text(schema, "x-kubernetes-map-type");
    if !matches!(map_type, "" | "atomic" | "granular") {
        at.child("x-kubernetes-map-type").not_supported(errors, map_type, &["atomic", "granular"]);
    }
}

/// Tells where the type of a schema is another than wanted.
pub(super) fn must_be(schema: &Value, wanted: &str, words: &str, at: &At<'_>, errors: &mut ErrorList) {
    match text(schema, "type") {
        "" => at.child("type").required(errors, words),
        ty if ty != wanted => at.child("type").invalid(errors, ty, words),
        _ => {}
    }
}
