//! Horizontal pod autoscalers, in the stored form, version 2.

mod metrics;

use portcullis_api::field::ErrorList;
use portcullis_api::{GroupVersion, Object, Value, names};
use serde_json::json;

use super::kind::{Kind, Status, meta_change};
use super::tree::{counters, part, sub};
use crate::kinds::Row;
use crate::kinds::check::{At, int, items, non_negative_quantity, one_of, opt_int, required_name, text};
use crate::kinds::meta;

const RESOURCE: &str = "horizontalpodautoscalers";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] =
    &[("autoscaling", RESOURCE, "", &KIND), ("autoscaling", RESOURCE, "status", &STATUS)];

static KIND: Kind = Kind::namespaced(meta::dns_subdomain, |new, errors| spec(new, None, errors))
    .change(|new, old, errors| spec(new, Some(old), errors))
    .status(|| json!({ "currentMetrics": null, "desiredReplicas": 0 }));

static STATUS: Status = Status::new(|new, old, errors| {
    meta_change(new, old, errors);
    counters(part(new, "status"), &["currentReplicas", "desiredReplicas"], errors);
});

const WINDOW_MAX: i64 = 3600;
const PERIOD_MAX: i64 = 1800;

/// What is asked of the `apiVersion` of a reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ApiVersion {
    Any,
    Readable,
    WithGroup,
}

fn spec(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let before = old.map(|old| part(old, "spec"));
    let at = At::root("spec");
    replicas(spec, before, &at, errors);
    let target = sub(spec, "scaleTargetRef");
    reference(target, target_version(target, before), &at.child("scaleTargetRef"), errors);
    let objects = object_version(before);
    let metrics_at = at.child("metrics");
    for (i, metric) in items(spec, "metrics").iter().enumerate() {
        metrics::metric(metric, objects, &metrics_at.index(i), errors);
    }
    let outside = |metric: &Value| matches!(text(metric, "type"), "Object" | "External");
    if opt_int(spec, "minReplicas") == Some(0) && !items(spec, "metrics").iter().any(outside) {
        let words = "must specify at least one Object or External metric to support scaling to zero replicas";
        metrics_at.forbidden(errors, words);
    }
    let at = at.child("behavior");
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = sub(spec, "behavior").get(direction) {
            scaling_rules(rules, &at.child(direction), errors);
        }
    }
}

fn replicas(spec: &Value, before: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let lowest = i64::from(before.is_none_or(|before| opt_int(before, "minReplicas") != Some(0)));
    let (min, max) = (opt_int(spec, "minReplicas"), int(spec, "maxReplicas"));
    let max_at = at.child("maxReplicas");
    if let Some(min) = min.filter(|min| *min < lowest) {
        at.child("minReplicas").invalid(errors, min, format!("must be greater than or equal to {lowest}"));
    }
    if max == 0 {
        max_at.required(errors, "must be set and greater than 0");
    } else if max < 0 {
        max_at.invalid(errors, max, "must be greater than or equal to 1");
    }
    if min.is_some_and(|min| max < min) {
        max_at.invalid(errors, max, "must be greater than or equal to `minReplicas`");
    }
}

/// An unchanged target is not asked again; replication controllers are in no group.
fn target_version(target: &Value, before: Option<&Value>) -> ApiVersion {
    let old = before.map(|before| sub(before, "scaleTargetRef"));
    let same =
        |old: &Value| ["apiVersion", "kind"].iter().all(|field| text(old, field) == text(target, field));
    if old.is_some_and(same) {
        ApiVersion::Any
    } else if text(target, "kind") == "ReplicationController" {
        ApiVersion::Readable
    } else {
        ApiVersion::WithGroup
    }
}

fn object_version(before: Option<&Value>) -> ApiVersion {
    let metrics = before.map(|before| items(before, "metrics")).unwrap_or_default();
    let mut objects = metrics.iter().filter_map(|metric| metric.get("object"));
    let odd =
        |object: &Value| GroupVersion::parse(text(sub(object, "describedObject"), "apiVersion")).is_none();
    if objects.any(odd) { ApiVersion::Any } else { ApiVersion::Readable }
}

fn reference(reference: &Value, version: ApiVersion, at: &At<'_>, errors: &mut ErrorList) {
    required_name(reference, "kind", names::path_segment_name, at, errors);
    required_name(reference, "name", names::path_segment_name, at, errors);
    let api_version = text(reference, "apiVersion");
    let here = at.child("apiVersion");
    match GroupVersion::parse(api_version) {
        _ if version == ApiVersion::Any => {}
        None => here.invalid(errors, api_version, format!("unexpected GroupVersion string: {api_version}")),
        Some(gv) if version == ApiVersion::WithGroup && gv.group.is_empty() => {
            here.invalid(errors, api_version, "apiVersion must specify API group");
        }
        Some(_) => {}
    }
}

fn scaling_rules(rules: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(seconds) = opt_int(rules, "stabilizationWindowSeconds") {
        let here = at.child("stabilizationWindowSeconds");
        if seconds < 0 {
            here.invalid(errors, seconds, "must be greater than or equal to zero");
        }
        if seconds > WINDOW_MAX {
            here.invalid(errors, seconds, format!("must be less than or equal to {WINDOW_MAX}"));
        }
    }
    if let Some(policy) = rules.get("selectPolicy").and_then(Value::as_str) {
        one_of(policy, &["Disabled", "Max", "Min"], at.child("selectPolicy"), errors);
    }
    let policies_at = at.child("policies");
    let policies = items(rules, "policies");
    if policies.is_empty() {
        policies_at.required(errors, "must specify at least one Policy");
    }
    for (i, policy) in policies.iter().enumerate() {
        scaling_policy(policy, &policies_at.index(i), errors);
    }
    if let Some(tolerance) = rules.get("tolerance").and_then(Value::as_str) {
        non_negative_quantity(tolerance, at.child("tolerance"), errors);
    }
}

fn scaling_policy(policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    one_of(text(policy, "type"), &["Percent", "Pods"], at.child("type"), errors);
    for field in ["value", "periodSeconds"] {
        let number = int(policy, field);
        if number <= 0 {
            at.child(field).invalid(errors, number, "must be greater than zero");
        }
    }
    let seconds = int(policy, "periodSeconds");
    if seconds > PERIOD_MAX {
        at.child("periodSeconds").invalid(
            errors,
            seconds,
            format!("must be less than or equal to {PERIOD_MAX}"),
        );
    }
}
