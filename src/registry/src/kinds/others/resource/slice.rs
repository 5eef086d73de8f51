//! What a driver offers: a pool of devices and the nodes that reach it.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, names};

use super::config::each;
use super::device;
use super::reference::{distinct, pool_name};
use crate::kinds::check::{At, NOT_POSITIVE, flag, immutable, immutable_as, int, items, text};
use crate::kinds::core::internal;
use crate::kinds::core::pod::node_selector;
use crate::kinds::core::source::csi_driver;
use crate::kinds::others::tree::{part, sub};

/// The forms of an attribute that are lists.
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];
const MAX_DEVICES: usize = 128;
const MAX_COSTLY_DEVICES: usize = 64;
const MAX_COUNTER_SETS: usize = 8;

/// The rules of a new slice.
pub(super) fn rules(new: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let spec = part(new, "spec");
    driver(spec, &at, errors);
    reach(spec, &at, errors);
    contents(spec, &Value::Null, &at, errors);
}

/// Fields behind feature gates that are off are dropped, as upstream drops them.
pub(super) fn drop_unserved(slice: &mut Object) {
    let spec = slice.map_mut().get_mut("spec");
    let devices = spec.and_then(|spec| spec.get_mut("devices")?.as_array_mut());
    for device in devices.into_iter().flatten().filter_map(Value::as_object_mut) {
        device.remove("nodeAllocatableResourceMappings");
        let attributes = device.get_mut("attributes").and_then(Value::as_object_mut);
        for attribute in attributes.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            LISTS.iter().for_each(|list| drop(attribute.remove(*list)));
        }
    }
}

/// A slice keeps its driver, its pool and its node.
pub(super) fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let (spec, before) = (part(new, "spec"), part(old, "spec"));
    driver(spec, &at, errors);
    let pool = |spec| Value::from(text(sub(spec, "pool"), "name"));
    let pool_at = at.child("pool");
    immutable(Some(&pool(spec)), Some(&pool(before)), pool_at.child("name"), errors);
    for (field, kind) in [("driver", "string"), ("nodeName", "*string")] {
        immutable_as(kind, spec.get(field), before.get(field), at.child(field), errors);
    }
    reach(spec, &at, errors);
    contents(spec, before, &at, errors);
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

/// The devices, and the counters they share.
fn contents(spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (devices, earlier) = (items(spec, "devices"), items(before, "devices"));
    let costly =
        |device| !items(device, "taints").is_empty() || !items(device, "consumesCounters").is_empty();
    let most = if devices.iter().any(costly) { MAX_COSTLY_DEVICES } else { MAX_DEVICES };
    let per_device = flag(spec, "perDeviceNodeSelection");
    let here = at.child("devices");
    each(devices, most, &here, errors, |device, at, errors| {
        let old = earlier.iter().find(|old| text(old, "name") == text(device, "name"));
        device::rules(device, old, per_device, at, errors);
    });
    if devices.len() <= most {
        distinct(devices.iter().map(|device| text(device, "name")), &here, errors);
    }
    let (sets, here) = (items(spec, "sharedCounters"), at.child("sharedCounters"));
    each(sets, MAX_COUNTER_SETS, &here, errors, |set, at, errors| device::counters(set, "name", at, errors));
    if sets.len() <= MAX_COUNTER_SETS {
        distinct(sets.iter().map(|set| text(set, "name")), &here, errors);
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
    let selector = spec.get("nodeSelector")?;
    let at = at.child("nodeSelector");
    node_selector(selector, false, at, errors);
    let terms = items(selector, "nodeSelectorTerms");
    if terms.len() != 1 {
        let shown = internal("[]NodeSelectorTerm", selector.get("nodeSelectorTerms"));
        at.child("nodeSelectorTerms").invalid(errors, shown, "must have exactly one node selector term");
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
