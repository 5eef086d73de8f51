//! List types.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::at::At;
use super::super::json::{flag, property, schema as schema_in, text, texts};
use super::openapi::must_be;

const LIST_TYPE: &str = "x-kubernetes-list-type";
const MAP_TYPE: &str = "x-kubernetes-map-type";
const KEYS: &str = "x-kubernetes-list-map-keys";

/// Checks the list type of a schema.
pub(super) fn check(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list_type = text(schema, LIST_TYPE);
    let here = at.child(LIST_TYPE);
    if schema.get(LIST_TYPE).is_some() && text(schema, "type") != "array" {
        must_be(schema, "array", "must be array if x-kubernetes-list-type is specified", at, errors);
    } else if let Some(item) = schema_in(schema, "items").filter(|_| list_type == "set") {
        set_item(item, &at.child("items"), errors);
    }
    if !matches!(list_type, "" | "atomic" | "set" | "map") {
        here.not_supported(errors, list_type, &["atomic", "set", "map"]);
    }
    let keys: Vec<&str> = texts(schema, KEYS).collect();
    let words = "must be map if x-kubernetes-list-map-keys is non-empty";
    match list_type {
        "map" => map(schema, &keys, at, errors),
        "" if !keys.is_empty() => here.required(errors, words),
        other if !keys.is_empty() => here.invalid(errors, other, words),
        _ => {}
    }
    entries(schema, list_type, &keys, at, errors);
}

/// What is in a set has no parts that are owned apart.
fn set_item(item: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let words = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let shown = item.get(LIST_TYPE);
    match text(item, "type") {
        "array" if !matches!(text(item, LIST_TYPE), "" | "atomic") => {
            at.child(LIST_TYPE).invalid(errors, shown, words);
        }
        "object" if text(item, MAP_TYPE) != "atomic" => at.child(MAP_TYPE).invalid(errors, shown, words),
        _ => {}
    }
}

fn map(schema: &Value, keys: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let (items_at, keys_at) = (at.child("items"), at.child(KEYS));
    if keys.is_empty() {
        keys_at.required(errors, "must not be empty if x-kubernetes-list-type is map");
    }
    let Some(item) = schema_in(schema, "items") else {
        match schema.get("items") {
            None => items_at.required(errors, "must have a schema if x-kubernetes-list-type is map"),
            Some(many) => {
                let words = "must only have a single schema if x-kubernetes-list-type is map";
                items_at.invalid(errors, many, words);
            }
        }
        return;
    };
    let ty = text(item, "type");
    if ty != "object" {
        let words = "must be object if parent array's x-kubernetes-list-type is map";
        items_at.child("type").invalid(errors, ty, words);
        return;
    }
    let shown = schema.get(KEYS);
    let properties_at = items_at.child("properties");
    for (i, key) in keys.iter().enumerate() {
        match property(item, key) {
            None => keys_at.invalid(errors, shown, "entries must all be names of item properties"),
            Some(property) if matches!(text(property, "type"), "array" | "object") => {
                let words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                properties_at.key(key).child("type").invalid(errors, ty, words);
            }
            Some(_) => {}
        }
        if keys.iter().take(i).any(|other| other == key) {
            keys_at.invalid(errors, shown, "must not contain duplicate entries");
        }
    }
}

/// Entries are never null, and every key is there, by itself or by default.
fn entries(schema: &Value, list_type: &str, keys: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let Some(item) = schema_in(schema, "items").filter(|_| matches!(list_type, "set" | "map")) else {
        return;
    };
    let items_at = at.child("items");
    if flag(item, "nullable") {
        let words = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        items_at.child("nullable").forbidden(errors, words);
    }
    if list_type != "map" {
        return;
    }
    let properties_at = items_at.child("properties");
    for key in keys {
        let Some(property) = property(item, key) else { continue };
        let here = properties_at.key(key);
        if !texts(item, "required").any(|name| name == *key) && property.get("default").is_none() {
            let words = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                         property";
            here.child("default").required(errors, words);
        }
        if flag(property, "nullable") {
            let words = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            here.child("nullable").forbidden(errors, words);
        }
    }
}
