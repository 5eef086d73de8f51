//! Defaults of network policies and ingress classes.

use portcullis_api::{Object, Value};

use super::super::tree::{at, child_or_new, each, set_missing};

pub(super) fn ingress_class(object: &mut Object) {
    if let Some(parameters) = at(object.map_mut(), &["spec", "parameters"]) {
        set_missing(parameters, "scope", "Cluster");
    }
}

pub(super) fn network_policy(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    let has = |field| spec.get(field).and_then(Value::as_array).is_some_and(|list: &Vec<_>| !list.is_empty());
    if !has("policyTypes") {
        // A policy that names no direction is at least about what comes in.
        let mut types = vec!["Ingress"];
        types.extend(has("egress").then_some("Egress"));
        spec.insert("policyTypes".into(), types.into());
    }
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| each(rule, "ports", |port| set_missing(port, "protocol", "TCP")));
    }
}
