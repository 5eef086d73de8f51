//! What a driver offers: a pool of devices and the nodes that reach it.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, NOT_POSITIVE, flag, immutable, int, items, text};
use crate::kinds::core::source::csi_driver;
use crate::kinds::others::tree::{part, sub};

const MAX_POOL_NAME: usize = 253;

/// The rules of a new slice.
pub(super) fn rules(new: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let spec = part(new, "spec");
    driver(spec, &at, errors);
    reach(spec, &at, errors);
}

/// A slice keeps its driver, its pool and its node.
pub(super) fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let (spec, before) = (part(new, "spec"), part(old, "spec"));
    driver(spec, &at, errors);
    let pool = |spec| Value::from(text(sub(spec, "pool"), "name"));
    let pool_at = at.child("pool");
    immutable(Some(&pool(spec)), Some(&pool(before)), pool_at.child("name"), errors);
    for field in ["driver", "nodeName"] {
        immutable(spec.get(field), before.get(field), at.child(field), errors);
    }
    reach(spec, &at, errors);
}

fn driver(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    csi_driver(text(spec, "driver"), at.child("driver"), errors);
    let (pool, at) = (sub(spec, "pool"), at.child("pool"));
    pool_name(text(pool, "name"), &at.child("name"), errors);
    let count = int(pool, "resourceSliceCount");
    if count <= 0 {
        at.child("resourceSliceCount").invalid(errors, count, NOT_POSITIVE);
    }
    let generation = int(pool, "generation");
    if generation < 0 {
        at.child("generation").invalid(errors, generation, "must be greater than or equal to zero");
    }
}

fn pool_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
        return;
    }
    if name.len() > MAX_POOL_NAME {
        at.too_long(errors, MAX_POOL_NAME);
    }
    for segment in name.split('/') {
        at.messages(errors, segment, names::dns1123_subdomain(segment));
    }
}

/// Exactly one way says which nodes reach the devices.
fn reach(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    const ONE: &str =
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let ways: Vec<&str> = [
        node(spec, at, errors),
        selector(spec, at, errors),
        only_true(spec, "allNodes", at, errors).then_some("`allNodes`"),
        only_true(spec, "perDeviceNodeSelection", at, errors).then_some("`perDeviceNodeSelection`"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match ways.len() {
        0 => at.required(errors, ONE),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", ways.join(", "));
            at.invalid(errors, shown.as_str(), format!("{ONE}, but multiple fields are set"));
        }
    }
    if spec.get("sharedCounters").is_some() && spec.get("devices").is_some() {
        at.invalid(errors, "", "only one of `sharedCounters` or `devices` is allowed");
    }
}

fn node(spec: &Value, at: &At<'_>, errors: &mut ErrorList) -> Option<&'static str> {
    let name = spec.get("nodeName").and_then(Value::as_str)?;
    let at = at.child("nodeName");
    if name.is_empty() {
        at.invalid(errors, "", "must be either unset or set to a non-empty string");
        return None;
    }
    at.rule(errors, name, names::dns1123_subdomain);
    Some("`nodeName`")
}

fn selector(spec: &Value, at: &At<'_>, errors: &mut ErrorList) -> Option<&'static str> {
    let terms = items(spec.get("nodeSelector")?, "nodeSelectorTerms");
    if terms.len() != 1 {
        let value = Value::Array(terms.to_vec());
        let at = at.child("nodeSelector");
        at.child("nodeSelectorTerms").invalid(errors, &value, "must have exactly one node selector term");
    }
    Some("`nodeSelector`")
}

/// Whether the switch is on; it may not be there and off.
fn only_true(spec: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) -> bool {
    let on = flag(spec, field);
    if !on && spec.get(field).is_some() {
        at.child(field).invalid(errors, false, "must be either unset or set to true");
    }
    on
}
