//! Config maps.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::super::check::At;
use super::super::meta;
use crate::strategy::Strategy;

/// How much one object may hold.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// Config maps.
pub(crate) struct ConfigMaps;

impl Strategy for ConfigMaps {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        let tree = Tree(new);
        let mut size = 0;
        let at = At::root("data");
        for (key, value) in tree.entries("data") {
            at.key(key).rule(errors, key, names::config_map_key);
            if tree.0.get("binaryData").is_some_and(|binary| binary.get(key).is_some()) {
                at.key(key).invalid(errors, key, "duplicate of key present in binaryData");
            }
            size += value.as_str().map_or(0, str::len);
        }
        let at = At::root("binaryData");
        for (key, value) in tree.entries("binaryData") {
            at.key(key).rule(errors, key, names::config_map_key);
            size += decoded_size(value);
        }
        if size > MAX_SIZE {
            At::whole().too_long(errors, MAX_SIZE);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        frozen(new, old, &["data", "binaryData"], errors);
        self.validate(new, errors);
    }
}

/// What an immutable object forbids to change.
pub(super) fn frozen(new: &Object, old: &Object, fields: &[&str], errors: &mut ErrorList) {
    let is_frozen = |object: &Object| object.get("immutable").and_then(Value::as_bool).unwrap_or_default();
    if !is_frozen(old) {
        return;
    }
    let words = "field is immutable when `immutable` is set";
    if !is_frozen(new) {
        At::root("immutable").forbidden(errors, words);
    }
    for field in fields.iter().filter(|field| new.get(field) != old.get(field)) {
        At::root(field).forbidden(errors, words);
    }
}

/// The number of bytes a base64 text stands for.
pub(super) fn decoded_size(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// An object seen as a tree of fields.
pub(super) struct Tree<'a>(pub(super) &'a Object);

impl<'a> Tree<'a> {
    /// The entries of the map in a top-level field.
    pub(super) fn entries(&self, field: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let map = self.0.get(field).and_then(Value::as_object);
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }
}
