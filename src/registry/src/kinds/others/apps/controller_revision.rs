//! Controller revisions.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use crate::kinds::check::{At, IMMUTABLE, non_negative};
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;

/// Controller revisions.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create).only_change(update);

fn create(new: &Object, errors: &mut ErrorList) {
    revision(new, errors);
    match new.get("data") {
        Some(Value::Object(_)) => {}
        None | Some(Value::Null) => At::root("data").required(errors, "data is mandatory"),
        Some(_) => At::root("data").required(errors, "data must be a valid JSON object"),
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    meta::object_meta(new, true, meta::dns_subdomain, errors);
    revision(new, errors);
    if new.get("data") != old.get("data") {
        At::root("data").invalid(errors, new.get("data"), IMMUTABLE);
    }
}

fn revision(new: &Object, errors: &mut ErrorList) {
    let number = new.get("revision").and_then(Value::as_i64).unwrap_or_default();
    non_negative(number, At::root("revision"), errors);
}
