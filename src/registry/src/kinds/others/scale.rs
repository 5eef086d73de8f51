//! `scale`: how many replicas a workload has, in one shape for every workload.

use portcullis_api::selector::LabelSelector;
use portcullis_api::{Map, Object, Value};
use serde_json::json;

/// The metadata a scale shares with its workload.
const SHARED: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];

/// A workload's scale; `None` for what has none.
pub(crate) fn to_scale(group: &str, resource: &str, workload: &Object) -> Option<Object> {
    let selector = selector(group, resource, workload)?;
    let count = |part: &str| workload.at(&[part, "replicas"]).and_then(Value::as_i64).unwrap_or_default();
    let meta = workload.metadata();
    let shared = SHARED.iter().filter_map(|field| Some(((*field).to_owned(), meta?.get(*field)?.clone())));
    let spec = match count("spec") {
        0 => json!({}),
        replicas => json!({ "replicas": replicas }),
    };
    let mut status = json!({ "replicas": count("status") });
    if !selector.is_empty()
        && let Some(status) = status.as_object_mut()
    {
        status.insert("selector".into(), selector.into());
    }
    let scale = json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": shared.collect::<Map<_, _>>(),
        "spec": spec,
        "status": status,
    });
    scale.as_object().cloned().map(Object::new)
}

/// Gives a workload the replicas a scale asks for.
pub(crate) fn from_scale(_group: &str, _resource: &str, scale: &Object, workload: &mut Object) {
    let replicas = scale.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or_default();
    workload.set_at(&["spec", "replicas"], replicas.into());
}

/// The selector as a query has it.
fn selector(group: &str, resource: &str, workload: &Object) -> Option<String> {
    let selector = workload.at(&["spec", "selector"]);
    match (group, resource) {
        ("apps", "deployments" | "replicasets" | "statefulsets") => {
            Some(LabelSelector::from_object(selector).unwrap_or_default().to_string())
        }
        ("", "replicationcontrollers") => {
            let pair =
                |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
            let pairs = selector.and_then(Value::as_object).into_iter().flatten().map(pair);
            Some(pairs.collect::<Vec<_>>().join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        Object::new(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn a_workload_and_its_scale() {
        let meta =
            json!({"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"}});
        let spec = json!({"replicas": 2, "selector": {"matchLabels": {"b": "c", "a": "b"}}});
        let mut workload = object(json!({"metadata": meta, "spec": spec, "status": {"replicas": 1}}));
        let mut scale = to_scale("apps", "deployments", &workload).unwrap();
        assert_eq!(scale.get("status"), Some(&json!({"replicas": 1, "selector": "a=b,b=c"})));
        assert_eq!(scale.metadata().unwrap().len(), 4);
        scale.set_at(&["spec", "replicas"], 9.into());
        from_scale("apps", "deployments", &scale, &mut workload);
        assert_eq!(workload.at(&["spec", "replicas"]), Some(&json!(9)));
        assert!(to_scale("apps", "daemonsets", &workload).is_none());
    }

    #[test]
    fn a_controllers_selector_is_a_map() {
        let workload = object(json!({"spec": {"selector": {"a": "b"}}}));
        let scale = to_scale("", "replicationcontrollers", &workload).unwrap();
        assert_eq!(scale.get("status"), Some(&json!({"replicas": 0, "selector": "a=b"})));
        assert_eq!(scale.get("spec"), Some(&json!({})));
    }
}
