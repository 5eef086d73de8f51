//! What the server itself writes into a pod: status, generation, and what it derives from labels.

use portcullis_api::{Map, Object, Value, time};
use serde_json::json;

use super::super::super::check::{items, text, texts};
use super::qos;

/// A new pod: first generation, pending, nothing else known.
pub(super) fn begin(pod: &mut Object) {
    pod.metadata_mut().insert("generation".into(), 1.into());
    let empty = Value::Null;
    let class = qos::class(pod.get("spec").unwrap_or(&empty));
    pod.map_mut().insert("status".into(), json!({"phase": "Pending", "qosClass": class}));
    drop_unserved(pod);
    gated(pod);
    label_keys(pod);
}

/// An updated pod has a new generation if its spec changed.
pub(super) fn raise(new: &mut Object, old: &Object) {
    drop_unserved(new);
    if new.get("spec") != old.get("spec") {
        let next = new.generation() + 1;
        new.metadata_mut().insert("generation".into(), next.into());
    }
}

/// Fields behind feature gates that are off are dropped, as upstream drops them.
pub(super) fn drop_unserved(pod: &mut Object) {
    if let Some(spec) = pod.map_mut().get_mut("spec").and_then(Value::as_object_mut) {
        drop_unserved_spec(spec);
    }
}

/// The same for the spec of a template.
pub(crate) fn drop_unserved_spec(spec: &mut Map<String, Value>) {
    spec.remove("schedulingGroup");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else { continue };
            let lifecycle = container.get_mut("lifecycle").and_then(Value::as_object_mut);
            if lifecycle
                .is_some_and(|lifecycle| lifecycle.remove("stopSignal").is_some() && lifecycle.is_empty())
            {
                container.remove("lifecycle");
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        let sources = volume.get_mut("projected").and_then(|p| p.get_mut("sources")?.as_array_mut());
        for source in sources.into_iter().flatten().filter_map(Value::as_object_mut) {
            source.remove("clusterTrustBundle");
            source.remove("podCertificate");
        }
    }
}

/// A pod with scheduling gates says so from the start.
fn gated(pod: &mut Object) {
    let has_gates =
        pod.at(&["spec", "schedulingGates"]).and_then(Value::as_array).is_some_and(|g| !g.is_empty());
    if has_gates {
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": null, "lastTransitionTime": time::now_rfc3339(),
        });
        pod.set_at(&["status", "conditions"], vec![condition].into());
    }
}

/// The keys of `matchLabelKeys` and `mismatchLabelKeys` become requirements with the pod's own values.
fn label_keys(pod: &mut Object) {
    let Some(labels) = pod.at(&["metadata", "labels"]).and_then(Value::as_object).cloned() else { return };
    let Some(spec) = pod.map_mut().get_mut("spec") else { return };
    for affinity in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.get_mut("affinity").and_then(|a| a.get_mut(affinity)) else { continue };
        for list in [
            "preferredDuringSchedulingIgnoredDuringExecution",
            "requiredDuringSchedulingIgnoredDuringExecution",
        ] {
            for term in affinity.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if term.get("podAffinityTerm").is_some() {
                    term.get_mut("podAffinityTerm").into_iter().for_each(|term| require(term, &labels));
                } else {
                    require(term, &labels);
                }
            }
        }
    }
    let constraints = spec.get_mut("topologySpreadConstraints").and_then(Value::as_array_mut);
    constraints.into_iter().flatten().for_each(|constraint| require(constraint, &labels));
}

fn require(term: &mut Value, labels: &Map<String, Value>) {
    let mut added = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in texts(term, field) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    let selector = term.get_mut("labelSelector").and_then(Value::as_object_mut);
    if let Some(selector) = selector.filter(|_| !added.is_empty()) {
        let list = selector.entry("matchExpressions").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.append(&mut added);
        }
    }
}

/// A status keeps the generations it does not say.
pub(super) fn keep_observed(new: &mut Object, old: &Object) {
    let observed = old.at(&["status", "observedGeneration"]).cloned();
    let empty = Value::Null;
    let mut known: Vec<(String, Value)> = items(old.get("status").unwrap_or(&empty), "conditions")
        .iter()
        .filter_map(|c| Some((text(c, "type").to_owned(), c.get("observedGeneration")?.clone())))
        .collect();
    let Some(status) = new.map_mut().get_mut("status").and_then(Value::as_object_mut) else { return };
    if let Some(observed) = observed {
        status.entry("observedGeneration").or_insert(observed);
    }
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let kind = text(condition, "type").to_owned();
        let Some(i) = known.iter().position(|(k, _)| *k == kind) else { continue };
        let (_, generation) = known.remove(i);
        if let Some(map) = condition.as_object_mut() {
            map.entry("observedGeneration").or_insert(generation);
        }
    }
}
