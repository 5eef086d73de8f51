//! Replica sets.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};
use serde_json::json;

use super::template::{self, Owner};
use crate::kinds::check::{At, int, non_negative};
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, Status, meta_change};
use crate::kinds::others::tree::{at_most, counters, immutable_selector, part};

/// Replica sets themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .change(update)
    .template(&["spec", "template"])
    .status(|| json!({ "replicas": 0 }))
    .generation(&["spec"])
    .warns(|new, old| template::warnings(new, old, true));

/// Their status.
pub(super) static STATUS: Status = Status::new(status);

const OWNER: Owner = Owner { word: "deployment", nonsense: "invalid label selector", kind: "ReplicaSet" };

fn create(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), None, errors);
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), old.get("spec"), errors);
    let at = At::root("spec");
    immutable_selector(
        new.at(&["spec", "selector"]),
        old.at(&["spec", "selector"]),
        at.child("selector"),
        errors,
    );
}

fn spec(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let at = At::root("spec");
    non_negative(int(spec, "replicas"), at.child("replicas"), errors);
    non_negative(int(spec, "minReadySeconds"), at.child("minReadySeconds"), errors);
    template::selector(spec, OWNER, at.child("selector"), errors);
    if template::readable(spec, OWNER, at.child("selector"), errors) {
        let here = at.child("template");
        template::selected(spec, here, errors);
        template::body(spec, old, here, errors);
        template::runs_forever(spec, OWNER, here, errors);
    }
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let status = part(new, "status");
    let fields = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    counters(status, &fields, errors);
    let fields = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    at_most(status, &fields, "replicas", "cannot be greater than status.replicas", errors);
    at_most(status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", errors);
}
