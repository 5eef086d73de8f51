//! Defaults of the smaller kinds of the core group.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::{Map, Object, Value};

use super::super::tree::{at, child, child_or_new, each, set_empty, set_missing, str_of};
use super::pod::pod_template;
use super::quantities::resource_list;
use super::volume::{capacity, claim_spec, persistent_volume_source};

pub(super) fn endpoints(object: &mut Object) {
    each(object.map_mut(), "subsets", |subset| {
        each(subset, "ports", |port| set_empty(port, "protocol", "TCP"))
    });
}

pub(super) fn limit_range(object: &mut Object) {
    let Some(spec) = child(object.map_mut(), "spec") else { return };
    each(spec, "limits", |item| {
        if str_of(item, "type") == "Container" {
            fill_missing(item, "default", "max");
            fill_missing(item, "defaultRequest", "default");
            fill_missing(item, "defaultRequest", "min");
        }
        for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            resource_list(item, field);
        }
    });
}

/// Copies the amounts one list lacks from another.
fn fill_missing(item: &mut Map<String, Value>, to: &str, from: &str) {
    let Some(source) = item.get(from).and_then(Value::as_object).cloned() else { return };
    let Some(target) = child_or_new(item, to) else { return };
    for (name, amount) in source {
        target.entry(name).or_insert(amount);
    }
}

pub(super) fn namespace(object: &mut Object) {
    let name = object.name().to_owned();
    if !name.is_empty()
        && let Some(labels) = child_or_new(object.metadata_mut(), "labels")
    {
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
    }
    if let Some(status) = child_or_new(object.map_mut(), "status") {
        set_empty(status, "phase", "Active");
    }
}

pub(super) fn node(object: &mut Object) {
    if let Some(status) = child(object.map_mut(), "status") {
        if let Some(capacity) = status.get("capacity").cloned() {
            set_missing(status, "allocatable", capacity);
        }
        resource_list(status, "capacity");
        resource_list(status, "allocatable");
    }
    if let Some(spec) = child(object.map_mut(), "spec") {
        pod_cidrs(spec);
    }
}

/// `podCIDR` repeats the first of `podCIDRs`.
fn pod_cidrs(spec: &mut Map<String, Value>) {
    let first = spec.get("podCIDRs").and_then(|list| list.get(0)?.as_str()).map(str::to_owned);
    let single = str_of(spec, "podCIDR").to_owned();
    match first {
        Some(first) if single.is_empty() => {
            spec.insert("podCIDR".into(), first.into());
        }
        first if !single.is_empty() && first.as_ref() != Some(&single) => {
            spec.insert("podCIDRs".into(), vec![single].into());
        }
        _ => {}
    }
}

pub(super) fn persistent_volume(object: &mut Object) {
    if let Some(status) = child_or_new(object.map_mut(), "status") {
        set_empty(status, "phase", "Pending");
    }
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        set_empty(spec, "persistentVolumeReclaimPolicy", "Retain");
        set_missing(spec, "volumeMode", "Filesystem");
        capacity(spec);
        persistent_volume_source(spec);
    }
}

pub(super) fn persistent_volume_claim(object: &mut Object) {
    if let Some(status) = child_or_new(object.map_mut(), "status") {
        set_empty(status, "phase", "Pending");
        resource_list(status, "capacity");
        resource_list(status, "allocatedResources");
    }
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        claim_spec(spec);
    }
}

pub(super) fn pod_template_object(object: &mut Object) {
    if let Some(template) = child_or_new(object.map_mut(), "template") {
        pod_template(template);
    }
}

pub(super) fn replication_controller(object: &mut Object) {
    let labels = object.at(&["spec", "template", "metadata", "labels"]).filter(|l| has_entries(l)).cloned();
    if let Some(labels) = labels {
        if !object.at(&["spec", "selector"]).is_some_and(has_entries) {
            object.set_at(&["spec", "selector"], labels.clone());
        }
        if !object.at(&["metadata", "labels"]).is_some_and(has_entries) {
            object.set_at(&["metadata", "labels"], labels);
        }
    }
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        set_missing(spec, "replicas", 1);
        if let Some(template) = child(spec, "template") {
            pod_template(template);
        }
    }
}

fn has_entries(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
}

pub(super) fn resource_quota(object: &mut Object) {
    for (parent, field) in [("spec", "hard"), ("status", "hard"), ("status", "used")] {
        if let Some(map) = at(object.map_mut(), &[parent]) {
            resource_list(map, field);
        }
    }
}

/// `stringData` is write-only: what it holds replaces the entries of `data`.
pub(super) fn secret(object: &mut Object) {
    set_empty(object.map_mut(), "type", "Opaque");
    let Some(Value::Object(texts)) = object.map_mut().remove("stringData") else { return };
    let Some(data) = child_or_new(object.map_mut(), "data") else { return };
    for (key, text) in texts {
        data.insert(key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn container_limits_default_to_the_maximum() {
        let mut object = Object::default();
        object.set_at(
            &["spec"],
            json!({"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}),
        );
        limit_range(&mut object);
        assert_eq!(
            object.at(&["spec", "limits"]),
            Some(&json!([{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"},
                "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2", "memory": "1Mi"}}]))
        );
    }

    #[test]
    fn a_controller_takes_its_templates_labels() {
        let mut object = Object::default();
        object.set_at(&["spec", "template", "metadata", "labels"], json!({"a": "b"}));
        replication_controller(&mut object);
        assert_eq!(object.at(&["spec", "selector"]), Some(&json!({"a": "b"})));
        assert_eq!(object.at(&["metadata", "labels"]), Some(&json!({"a": "b"})));
        assert_eq!(object.at(&["spec", "replicas"]), Some(&json!(1)));
    }

    #[test]
    fn texts_of_a_secret_become_data() {
        let mut object = Object::default();
        object.set_at(&["data"], json!({"a": "eA==", "b": "eQ=="}));
        object.set_at(&["stringData"], json!({"a": "b"}));
        secret(&mut object);
        assert_eq!(Value::from(object), json!({"data": {"a": "Yg==", "b": "eQ=="}, "type": "Opaque"}));
    }

    #[test]
    fn a_namespace_carries_its_name_as_a_label() {
        let mut object = Object::default();
        object.set_meta_str("name", "n");
        namespace(&mut object);
        assert_eq!(object.at(&["metadata", "labels"]), Some(&json!({"kubernetes.io/metadata.name": "n"})));
        assert_eq!(object.str_at(&["status", "phase"]), "Active");
    }
}
