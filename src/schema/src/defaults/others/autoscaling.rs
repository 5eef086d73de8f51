//! Defaults of horizontal pod autoscalers, in both versions.

use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::super::tree::{child, child_or_new, set_missing};

/// The share of its CPU request at which a pod is fully used, unless somebody says otherwise.
const CPU_UTILIZATION: i64 = 80;

/// Version 1. Upstream fills the target in when it converts, so that it shows as well.
pub(super) fn v1(object: &mut Object) {
    let metrics_elsewhere =
        object.annotations().any(|(key, _)| key == "autoscaling.alpha.kubernetes.io/metrics");
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "minReplicas", 1);
    if !metrics_elsewhere {
        set_missing(spec, "targetCPUUtilizationPercentage", CPU_UTILIZATION);
    }
}

/// Version 2.
pub(super) fn v2(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({ "type": "Utilization", "averageUtilization": CPU_UTILIZATION });
        let metric = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
        spec.insert("metrics".into(), vec![metric].into());
    }
    if let Some(behavior) = child(spec, "behavior") {
        rules(behavior, "scaleUp", json!([policy("Pods", 4), policy("Percent", 100)]), Some(0));
        rules(behavior, "scaleDown", json!([policy("Percent", 100)]), None);
    }
}

fn policy(r#type: &str, value: i64) -> Value {
    json!({ "type": r#type, "value": value, "periodSeconds": 15 })
}

fn rules(behavior: &mut Map<String, Value>, direction: &str, policies: Value, window: Option<i64>) {
    let Some(rules) = child_or_new(behavior, direction) else { return };
    set_missing(rules, "selectPolicy", "Max");
    set_missing(rules, "policies", policies);
    if let Some(seconds) = window {
        set_missing(rules, "stabilizationWindowSeconds", seconds);
    }
}
