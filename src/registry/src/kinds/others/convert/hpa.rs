//! Horizontal pod autoscalers: version 1 knows one metric, the CPU's utilization; the rest of
//! version 2 travels in annotations.

use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::metrics::{
    BEHAVIOR, CONDITION, SPEC_V1, STATUS_V1, behavior_from_text, spec_from_flat, spec_to_flat,
    status_from_flat, status_to_flat,
};
use crate::kinds::others::go;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const RULES: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Annotations that only ever carry another version's fields.
const CARRIERS: [&str; 6] = [
    METRICS,
    CURRENT,
    CONDITIONS,
    RULES,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// The target where nobody names one.
const CPU_UTILIZATION: i64 = 80;

/// An autoscaler of version 2 as version 1 shows it.
pub(crate) fn v2_to_v1(mut hpa: Object) -> Object {
    take_carriers(&mut hpa);
    let metrics = take_list(&mut hpa, &["spec", "metrics"]);
    let (cpu, others): (Vec<Value>, Vec<Value>) =
        metrics.into_iter().partition(|m| cpu_utilization(m).is_some());
    if let Some(target) = cpu.first().and_then(cpu_utilization) {
        hpa.set_at(&["spec", "targetCPUUtilizationPercentage"], target.clone());
    }
    carry_list(&mut hpa, METRICS, &others.iter().map(spec_to_flat).collect::<Vec<_>>(), SPEC_V1);
    if let Some(behavior) = hpa.remove_at(&["spec", "behavior"]) {
        carry(&mut hpa, RULES, go::object(&behavior, BEHAVIOR));
    }
    status_to_v1(&mut hpa);
    hpa
}

/// An autoscaler of version 1 as version 2 shows it.
pub(crate) fn v1_to_v2(mut hpa: Object) -> Object {
    let carried = take_carriers(&mut hpa);
    let list = |name: &str| -> Option<Vec<Value>> { serde_json::from_str(carried.get(name)?.as_str()?).ok() };
    let mut metrics: Vec<Value> = list(METRICS).unwrap_or_default().iter().map(spec_from_flat).collect();
    metrics.extend(hpa.remove_at(&["spec", "targetCPUUtilizationPercentage"]).map(cpu_metric));
    if metrics.is_empty() {
        metrics.push(cpu_metric(CPU_UTILIZATION.into()));
    }
    hpa.set_at(&["spec", "metrics"], metrics.into());
    if let Some(behavior) = carried.get(RULES).and_then(Value::as_str).and_then(behavior_from_text) {
        hpa.set_at(&["spec", "behavior"], behavior);
    }
    let current = list(CURRENT).map(|list| list.iter().map(status_from_flat).collect());
    status_to_v2(&mut hpa, current, list(CONDITIONS));
    hpa
}

fn status_to_v1(hpa: &mut Object) {
    let current = take_list(hpa, &["status", "currentMetrics"]);
    let cpu = current
        .iter()
        .rev()
        .filter(|m| is_cpu(m))
        .find_map(|m| m.pointer("/resource/current/averageUtilization"));
    if let Some(percentage) = cpu {
        hpa.set_at(&["status", "currentCPUUtilizationPercentage"], percentage.clone());
    }
    carry_list(hpa, CURRENT, &current.iter().map(status_to_flat).collect::<Vec<_>>(), STATUS_V1);
    let conditions = take_list(hpa, &["status", "conditions"]);
    carry_list(hpa, CONDITIONS, &conditions, CONDITION);
    for field in ["currentReplicas", "desiredReplicas"] {
        if hpa.at(&["status", field]).is_none() {
            hpa.set_at(&["status", field], 0.into());
        }
    }
}

fn status_to_v2(hpa: &mut Object, carried: Option<Vec<Value>>, conditions: Option<Vec<Value>>) {
    let cpu = hpa.remove_at(&["status", "currentCPUUtilizationPercentage"]);
    let cpu = cpu.map(|percentage| {
        let resource = json!({ "name": "cpu", "current": { "averageUtilization": percentage } });
        vec![json!({ "type": "Resource", "resource": resource })]
    });
    let current = carried.or(cpu).filter(|list| !list.is_empty());
    hpa.set_at(&["status", "currentMetrics"], current.map_or(Value::Null, Value::from));
    if let Some(conditions) = conditions {
        hpa.set_at(&["status", "conditions"], conditions.into());
    }
    if hpa.at(&["status", "currentReplicas"]).and_then(Value::as_i64) == Some(0) {
        hpa.remove_at(&["status", "currentReplicas"]);
    }
    if hpa.at(&["status", "desiredReplicas"]).is_none() {
        hpa.set_at(&["status", "desiredReplicas"], 0.into());
    }
}

fn is_cpu(metric: &Value) -> bool {
    metric.get("type").and_then(Value::as_str) == Some("Resource")
        && metric.pointer("/resource/name").and_then(Value::as_str) == Some("cpu")
}

/// The target of a metric that version 1 can say itself.
fn cpu_utilization(metric: &Value) -> Option<&Value> {
    is_cpu(metric).then(|| metric.pointer("/resource/target/averageUtilization")).flatten()
}

fn cpu_metric(utilization: Value) -> Value {
    let target = json!({ "type": "Utilization", "averageUtilization": utilization });
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
}

fn take_list(hpa: &mut Object, path: &[&str]) -> Vec<Value> {
    match hpa.remove_at(path) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// Removes the carrying annotations, and the map of annotations where nothing is left in it.
fn take_carriers(hpa: &mut Object) -> Map<String, Value> {
    let mut taken = Map::new();
    let meta = hpa.metadata_mut();
    let Some(Value::Object(annotations)) = meta.get_mut("annotations") else { return taken };
    for name in CARRIERS {
        if let Some(value) = annotations.remove(name) {
            taken.insert(name.to_owned(), value);
        }
    }
    if annotations.is_empty() {
        meta.remove("annotations");
    }
    taken
}

fn carry_list(hpa: &mut Object, name: &str, list: &[Value], shape: go::Struct) {
    if !list.is_empty() {
        carry(hpa, name, go::list(list, shape));
    }
}

fn carry(hpa: &mut Object, name: &str, text: String) {
    let annotations = hpa.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(name.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(value: Value) -> Object {
        Object::new(value.as_object().cloned().unwrap_or_default())
    }

    fn v2(metrics: Value) -> Object {
        object(json!({
            "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": {"kind": "D", "name": "d"}, "maxReplicas": 3, "metrics": metrics},
            "status": {"currentMetrics": null, "desiredReplicas": 0},
        }))
    }

    #[test]
    fn one_metric_needs_no_annotation() {
        let v1 = v2_to_v1(v2(json!([cpu_metric(70.into())])));
        let expected = json!({
            "metadata": {"name": "h"},
            "spec": {
                "scaleTargetRef": {"kind": "D", "name": "d"}, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70,
            },
            "status": {"currentReplicas": 0, "desiredReplicas": 0},
        });
        assert_eq!(Value::from(v1), expected);
    }

    #[test]
    fn what_version_1_lacks_is_carried_as_text() {
        let memory = json!({"type": "Resource", "resource": {"name": "memory",
            "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
        let mut hpa = v2(json!([memory]));
        hpa.set_at(
            &["spec", "behavior"],
            json!({"scaleUp": {"selectPolicy": "Max", "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15}], "stabilizationWindowSeconds": 0}}),
        );
        let v1 = v2_to_v1(hpa);
        let annotations: Vec<(&str, &str)> = v1.annotations().collect();
        let behavior = "{\"ScaleUp\":{\"StabilizationWindowSeconds\":0,\"SelectPolicy\":\"Max\",\"Policies\":\
                        [{\"Type\":\"Pods\",\"Value\":4,\"PeriodSeconds\":15}],\"Tolerance\":null},\"ScaleDown\":null}";
        let metrics =
            "[{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"targetAverageValue\":\"1Gi\"}}]";
        assert_eq!(annotations, [(RULES, behavior), (METRICS, metrics)]);
    }

    #[test]
    fn a_target_is_assumed_where_none_is_named() {
        let hpa = v1_to_v2(object(json!({"metadata": {}, "spec": {"maxReplicas": 1}})));
        assert_eq!(hpa.at(&["spec", "metrics"]), Some(&json!([cpu_metric(80.into())])));
    }

    fn metric() -> impl Strategy<Value = Value> {
        let quantity = prop::sample::select(vec!["1", "250m", "1Gi"]);
        let wrap = |source: &str, body: Value| {
            let (head, tail) = source.split_at(1);
            let mut metric = json!({"type": format!("{}{tail}", head.to_uppercase())});
            metric[source] = body;
            metric
        };
        let name = json!({"name": "m", "selector": {"matchLabels": {"a": "b"}}});
        let object = json!({"kind": "K", "name": "n", "apiVersion": "v1"});
        (0..5_usize, any::<bool>(), quantity, 1..90_i64).prop_map(
            move |(kind, average, quantity, percent)| {
                let value = if average {
                    json!({"type": "AverageValue", "averageValue": quantity})
                } else {
                    json!({"type": "Value", "value": quantity})
                };
                let utilization = json!({"type": "Utilization", "averageUtilization": percent});
                match kind {
                    0 => wrap("object", json!({"describedObject": object, "metric": name, "target": value})),
                    1 => wrap(
                        "pods",
                        json!({"metric": name, "target": {"type": "AverageValue", "averageValue": quantity}}),
                    ),
                    2 => wrap("resource", json!({"name": "memory", "target": utilization})),
                    3 => wrap(
                        "containerResource",
                        json!({"name": "cpu", "container": "c", "target": utilization}),
                    ),
                    _ => wrap("external", json!({"metric": name, "target": value})),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_there_and_back(
            mut metrics in prop::collection::vec(metric(), 0..4), cpu in any::<bool>(), window in 0..9_i64,
        ) {
            if cpu || metrics.is_empty() {
                metrics.push(cpu_metric(55.into()));
            }
            let mut hpa = v2(metrics.into());
            hpa.set_at(&["metadata", "annotations"], json!({"kept": "yes"}));
            if window > 0 {
                hpa.set_at(&["spec", "behavior"], json!({"scaleDown": {"stabilizationWindowSeconds": window,
                    "policies": [{"type": "Percent", "value": 1, "periodSeconds": 2}], "tolerance": "10m"}}));
            }
            let condition = json!({"type": "AbleToScale", "status": "True", "message": "<&>",
                "lastTransitionTime": "2020-01-01T00:00:00Z"});
            hpa.set_at(&["status", "conditions"], json!([condition]));
            hpa.set_at(&["status", "currentMetrics"], json!([{"type": "Resource", "resource": {"name": "cpu",
                "current": {"averageUtilization": 3, "averageValue": "5m"}}}]));
            prop_assert_eq!(v1_to_v2(v2_to_v1(hpa.clone())), hpa);
        }
    }
}
