//! Bindings: the scheduler's decision where a pod runs.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, time};
use serde_json::json;

use super::super::super::check::{At, items, text};
use crate::strategy::Strategy;

/// Bindings, as a resource of their own and as `pods/binding`.
pub(crate) struct BindingStrategy;

impl Strategy for BindingStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let target = new.get("target").unwrap_or(&empty);
        let at = At::root("target");
        let kind = text(target, "kind");
        if !kind.is_empty() && kind != "Node" {
            at.child("kind").not_supported(errors, kind, &["Node", "<empty>"]);
        }
        if text(target, "name").is_empty() {
            at.child("name").required(errors, "");
        }
    }

    fn validate_update(&self, new: &Object, _old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
    }
}

/// Puts a pod on the node a binding names; the words say why it cannot be (a conflict on `pods/binding`).
///
/// # Errors
/// The pod is being deleted, already bound, or still gated.
pub(crate) fn bind(pod: &mut Object, binding: &Object) -> Result<(), String> {
    let name = pod.name();
    if pod.is_deleting() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = pod.str_at(&["spec", "nodeName"]);
    if !node.is_empty() {
        return Err(format!("pod {name} is already assigned to node \"{node}\""));
    }
    let empty = Value::Null;
    if !items(pod.get("spec").unwrap_or(&empty), "schedulingGates").is_empty() {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    pod.set_at(&["spec", "nodeName"], binding.str_at(&["target", "name"]).into());
    pod.remove_at(&["status", "nominatedNodeName"]);
    for field in ["annotations", "labels"] {
        copy_pairs(pod, binding, field);
    }
    scheduled(pod);
    Ok(())
}

fn copy_pairs(pod: &mut Object, binding: &Object, field: &str) {
    let Some(pairs) = binding.at(&["metadata", field]).and_then(Value::as_object) else { return };
    let target = pod.metadata_mut().entry(field).or_insert_with(|| Value::Object(Map::new()));
    if let Some(target) = target.as_object_mut() {
        target.extend(pairs.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// The condition `PodScheduled` becomes true.
fn scheduled(pod: &mut Object) {
    let now = time::now_rfc3339();
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
    });
    let Some(status) = pod.map_mut().get_mut("status").and_then(Value::as_object_mut) else { return };
    let list = status.entry("conditions").or_insert_with(|| Value::Array(Vec::new()));
    let Some(list) = list.as_array_mut() else { return };
    match list.iter_mut().find(|c| text(c, "type") == "PodScheduled") {
        Some(found) => *found = condition,
        None => list.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_bound_once() {
        let mut pod = Object::default();
        pod.set_meta_str("name", "p");
        pod.set_at(&["status", "phase"], "Pending".into());
        let mut binding = Object::default();
        binding.set_at(&["target", "name"], "n1".into());
        assert_eq!(bind(&mut pod, &binding), Ok(()));
        assert_eq!(pod.str_at(&["spec", "nodeName"]), "n1");
        assert_eq!(bind(&mut pod, &binding), Err("pod p is already assigned to node \"n1\"".to_owned()));
    }
}
