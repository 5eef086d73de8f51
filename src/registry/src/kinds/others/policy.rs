//! Pod disruption budgets.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};
use serde_json::json;

use super::conditions;
use super::kind::{Kind, Status};
use super::tree::{amount, at_most_all, counters, part};
use crate::kinds::Row;
use crate::kinds::check::{At, one_of};
use crate::kinds::core::internal;
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] =
    &[("policy", "poddisruptionbudgets", "", &KIND), ("policy", "poddisruptionbudgets", "status", &STATUS)];

/// Upstream checks no metadata of a budget here; the generic rules do.
static KIND: Kind = Kind::unchecked_meta(|new, errors| spec(new, false, errors))
    .only_change(|new, old, errors| spec(new, has_odd_selector(old), errors))
    .status(
        || json!({ "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0 }),
    )
    .generation(&["spec"])
    .needs_version();

static STATUS: Status = Status::new(status).needs_version();

fn spec(new: &Object, odd_selector: bool, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let bounds = ["minAvailable", "maxUnavailable"].map(|field| (field, spec.get(field)));
    if bounds.iter().all(|(_, bound)| bound.is_some()) {
        at.invalid(
            errors,
            internal("PodDisruptionBudgetSpec", spec),
            "minAvailable and maxUnavailable cannot be both set",
        );
    }
    for (field, bound) in bounds {
        if let Some(bound) = bound {
            amount(bound, at.child(field), errors);
            at_most_all(bound, at.child(field), errors);
        }
    }
    meta::selector_with(spec.get("selector"), odd_selector, at.child("selector"), errors);
    if let Some(policy) = spec.get("unhealthyPodEvictionPolicy").and_then(Value::as_str) {
        let known = ["AlwaysAllow", "IfHealthyBudget"];
        one_of(policy, &known, at.child("unhealthyPodEvictionPolicy"), errors);
    }
}

fn has_odd_selector(old: &Object) -> bool {
    let mut errors = ErrorList::new();
    meta::label_selector(old.at(&["spec", "selector"]), At::root("selector"), &mut errors);
    !errors.is_empty()
}

fn status(new: &Object, _old: &Object, errors: &mut ErrorList) {
    let status = part(new, "status");
    let at = At::root("status");
    conditions::all(status, at.child("conditions"), errors);
    counters(status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"], errors);
}
