//! Deployments.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::template::{self, Owner};
use crate::kinds::check::{At, int, non_negative, opt_int, text};
use crate::kinds::core::internal;
use crate::kinds::meta;
use crate::kinds::others::kind::{Kept, Kind, Status, empty, meta_change};
use crate::kinds::others::tree::{
    amount, amount_of, at_most, at_most_all, counters, immutable_selector, never_less, part, sub,
};

/// Deployments themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .change(update)
    .template(&["spec", "template"])
    .status(empty)
    .generation(&["spec", "annotations"])
    .warns(warnings);

/// Their status.
pub(super) static STATUS: Status = Status::new(status).keeps(Kept::Labels);

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
    template::selector(spec, OWNER, at.child("selector"), errors);
    if template::readable(spec, OWNER, at.child("selector"), errors) {
        let here = at.child("template");
        template::selected(spec, here, errors);
        template::body(spec, old, here, errors);
        template::runs_forever(spec, OWNER, here, errors);
    }
    strategy(sub(spec, "strategy"), at.child("strategy"), errors);
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        non_negative(int(spec, field), at.child(field), errors);
    }
    if let Some(seconds) = opt_int(spec, "progressDeadlineSeconds")
        && seconds <= int(spec, "minReadySeconds")
    {
        at.child("progressDeadlineSeconds").invalid(errors, seconds, "must be greater than minReadySeconds");
    }
}

fn strategy(strategy: &Value, at: At<'_>, errors: &mut ErrorList) {
    let rolling = strategy.get("rollingUpdate");
    let here = at.child("rollingUpdate");
    match (text(strategy, "type"), rolling) {
        ("Recreate", Some(_)) => {
            here.forbidden(errors, "may not be specified when strategy `type` is 'Recreate'");
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => here.required(errors, "this should be defaulted and never be nil"),
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling, here, errors),
        _ => {
            let shown = internal("DeploymentStrategy", strategy);
            at.not_supported(errors, shown, &["Recreate", "RollingUpdate"]);
        }
    }
}

fn rolling_update(rolling: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (unavailable, surge) = (sub(rolling, "maxUnavailable"), sub(rolling, "maxSurge"));
    let here = at.child("maxUnavailable");
    amount(unavailable, here, errors);
    amount(surge, at.child("maxSurge"), errors);
    if amount_of(unavailable) == 0 && amount_of(surge) == 0 {
        here.invalid(errors, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    at_most_all(unavailable, here, errors);
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let status = part(new, "status");
    let fields = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    counters(status, &fields, errors);
    let fields = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    at_most(status, &fields, "replicas", "cannot be greater than status.replicas", errors);
    at_most(status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", errors);
    never_less(new, old, "collisionCount", errors);
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    template::warnings(new, old, true)
}
