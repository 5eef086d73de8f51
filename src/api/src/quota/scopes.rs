//! Which quotas an object concerns.

use std::collections::BTreeSet;

use super::usage::Measured;
use crate::quantity::Quantity;
use crate::resources::{self, Half};
use crate::tree::{at, has, items, text};
use crate::{Object, Value};

/// Whether an object is in every scope that a quota names.
pub fn in_scopes(quota: &Object, measured: Measured, object: &Object) -> bool {
    let (named, selected) = scopes(quota);
    let mut named = named.iter().filter_map(Value::as_str);
    named.all(|scope| is_in(scope, "Exists", &[], measured, object))
        && selected.iter().all(|one| {
            is_in(text(one, "scopeName"), text(one, "operator"), items(one, "values"), measured, object)
        })
}

/// Whether a quota names scopes at all.
pub fn has_scopes(quota: &Object) -> bool {
    let (named, selected) = scopes(quota);
    !named.is_empty() || !selected.is_empty()
}

fn scopes(quota: &Object) -> (&[Value], &[Value]) {
    (list(quota.at(&["spec", "scopes"])), list(quota.at(&["spec", "scopeSelector", "matchExpressions"])))
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_in(scope: &str, operator: &str, values: &[Value], measured: Measured, object: &Object) -> bool {
    match (measured, scope) {
        (Measured::Pod, "Terminating") => is_terminating(object),
        (Measured::Pod, "NotTerminating") => !is_terminating(object),
        (Measured::Pod, "BestEffort") => is_best_effort(object),
        (Measured::Pod, "NotBestEffort") => !is_best_effort(object),
        (Measured::Pod, "CrossNamespacePodAffinity") => reaches_other_namespaces(object),
        (Measured::Pod, "PriorityClass") => {
            let class = object.str_at(&["spec", "priorityClassName"]);
            selects(operator, values, Some(class).filter(|class| !class.is_empty()))
        }
        (Measured::Claim, "VolumeAttributesClass") => {
            let classes = attribute_classes(object);
            match operator {
                "Exists" => !classes.is_empty(),
                _ if classes.is_empty() => selects(operator, values, None),
                _ => classes.into_iter().any(|class| selects(operator, values, Some(class))),
            }
        }
        _ => false,
    }
}

/// As a label selector would.
fn selects(operator: &str, values: &[Value], class: Option<&str>) -> bool {
    let listed = |class: &str| values.iter().any(|value| value.as_str() == Some(class));
    match operator {
        "In" => class.is_some_and(listed),
        "NotIn" => !class.is_some_and(listed),
        "Exists" => class.is_some(),
        "DoesNotExist" => class.is_none(),
        _ => false,
    }
}

/// Whether a pod ends by itself.
pub fn is_terminating(pod: &Object) -> bool {
    let seconds = pod.at(&["spec", "activeDeadlineSeconds"]).and_then(Value::as_i64);
    seconds.is_some_and(|seconds| seconds >= 0)
}

/// The volume attributes classes that a claim has, had or is to have.
pub fn attribute_classes(claim: &Object) -> BTreeSet<&str> {
    let paths: [&[&str]; 3] = [
        &["spec", "volumeAttributesClassName"],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    paths.into_iter().map(|path| claim.str_at(path)).filter(|class| !class.is_empty()).collect()
}

fn is_best_effort(pod: &Object) -> bool {
    let class = pod.str_at(&["status", "qosClass"]);
    if !class.is_empty() {
        return class == "BestEffort";
    }
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let asks = |holder: &Value| {
        [Half::Requests, Half::Limits].into_iter().any(|half| {
            let amounts = resources::of_container(holder, half);
            amounts.iter().any(|(name, amount)| matches!(*name, "cpu" | "memory") && *amount > Quantity::ZERO)
        })
    };
    let mut containers = ["containers", "initContainers"].into_iter().flat_map(|field| items(spec, field));
    !asks(spec) && !containers.any(asks)
}

fn reaches_other_namespaces(pod: &Object) -> bool {
    let affinity = pod.at(&["spec", "affinity"]).unwrap_or(&Value::Null);
    let reaches = |term: &Value| !items(term, "namespaces").is_empty() || has(term, "namespaceSelector");
    ["podAffinity", "podAntiAffinity"].into_iter().filter_map(|kind| affinity.get(kind)).any(|kind| {
        items(kind, "requiredDuringSchedulingIgnoredDuringExecution").iter().any(reaches)
            || items(kind, "preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|one| at(one, &["podAffinityTerm"]).is_some_and(reaches))
    })
}
