//! Defaults of claims for devices and of the slices that offer them.

use portcullis_api::{Map, Object, Value, time};

use super::super::tree::{at, child, each, each_value, set_empty, set_missing, set_zero, str_of};

type Tree = Map<String, Value>;

pub(super) fn claim(object: &mut Object) {
    if let Some(spec) = child(object.map_mut(), "spec") {
        claim_spec(spec);
    }
    if let Some(devices) = at(object.map_mut(), &["status", "allocation", "devices"]) {
        each(devices, "results", tolerations);
    }
}

pub(super) fn claim_template(object: &mut Object) {
    if let Some(spec) = at(object.map_mut(), &["spec", "spec"]) {
        claim_spec(spec);
    }
}

pub(super) fn slice(object: &mut Object) {
    let Some(spec) = child(object.map_mut(), "spec") else { return };
    each(spec, "devices", |device| {
        each_value(device, "nodeAllocatableResourceMappings", |mapping| {
            set_missing(mapping, "allocationMultiplier", "1");
        });
        each(device, "taints", |taint| set_missing(taint, "timeAdded", time::now_rfc3339()));
    });
}

fn claim_spec(spec: &mut Tree) {
    let Some(devices) = child(spec, "devices") else { return };
    each(devices, "requests", |request| {
        if let Some(exactly) = child(request, "exactly") {
            how_many(exactly);
        }
        each(request, "firstAvailable", how_many);
    });
}

fn how_many(request: &mut Tree) {
    set_empty(request, "allocationMode", "ExactCount");
    if str_of(request, "allocationMode") == "ExactCount" {
        set_zero(request, "count", 1);
    }
    tolerations(request);
}

fn tolerations(holder: &mut Tree) {
    each(holder, "tolerations", |toleration| set_empty(toleration, "operator", "Equal"));
}
