//! What may change in a pod that exists.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value, names};

use super::super::super::check::{At, items, opt_int, text};
use super::super::super::meta;
use super::super::diff;
use super::annotations::{self, APP_ARMOR, MIRROR};
use super::options::Options;
use super::{scheduling, spec};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// The metadata and spec of a pod, new or changed.
pub(super) fn metadata_and_spec(pod: &Object, options: Options, errors: &mut ErrorList) {
    let empty = Value::Null;
    let metadata = pod.get("metadata").unwrap_or(&empty);
    let pod_spec = pod.get("spec").unwrap_or(&empty);
    meta::object_meta(pod, true, meta::dns_subdomain, errors);
    let at = At::root("metadata");
    annotations::specific(metadata, pod_spec, at.child("annotations"), options, errors);
    let at = At::root("spec");
    spec::spec(pod_spec, Some(metadata), at, options, errors);
    spec::pod_only(pod_spec, &at, errors);
}

/// The rules for an update of a pod.
pub(super) fn pod(new: &Object, old: &Object, options: Options, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    metadata_and_spec(new, options, errors);
    annotation_changes(new, old, options, errors);
    let empty = Value::Null;
    let (new_spec, old_spec) = (new.get("spec").unwrap_or(&empty), old.get("spec").unwrap_or(&empty));
    let at = At::root("spec");
    for list in ["containers", "initContainers"] {
        if !same_containers(items(new_spec, list), items(old_spec, list), at.child(list), errors) {
            return;
        }
    }
    if !deadline(new_spec, old_spec, at.child("activeDeadlineSeconds"), errors) {
        return;
    }
    tolerations(new_spec, old_spec, at.child("tolerations"), errors);
    gates(new_spec, old_spec, at.child("schedulingGates"), errors);
    if new_spec == old_spec {
        return;
    }
    let munged = munged(new_spec, old_spec, &at, errors);
    if munged != *old_spec {
        let difference = diff::diff("PodSpec", old_spec, &munged);
        let words = format!("pod updates may not change fields other than {UPDATABLE}\n{difference}");
        errors.push(Error::forbidden(&at.to_path(), words));
    }
}

/// Annotations that are fixed once the pod exists.
pub(super) fn annotation_changes(new: &Object, old: &Object, options: Options, errors: &mut ErrorList) {
    let meta_at = At::root("metadata");
    let at = meta_at.child("annotations");
    let value = |object: &'_ Object, key: &str| {
        object.annotations().find(|(k, _)| *k == key).map(|(_, v)| v.to_owned())
    };
    for (key, before) in old.annotations() {
        if value(new, key).as_deref() != Some(before) {
            fixed(key, "remove or update", at, errors);
        }
    }
    for (key, _) in new.annotations().filter(|(key, _)| value(old, key).is_none()) {
        fixed(key, "add", at, errors);
    }
    let empty = Value::Null;
    let (metadata, spec) = (new.get("metadata").unwrap_or(&empty), new.get("spec").unwrap_or(&empty));
    annotations::specific(metadata, spec, at, options, errors);
}

fn fixed(key: &str, deed: &str, at: At<'_>, errors: &mut ErrorList) {
    if key.starts_with(APP_ARMOR) {
        at.key(key).forbidden(errors, format!("may not {deed} AppArmor annotations"));
    }
    if key == MIRROR {
        at.key(key).forbidden(errors, format!("may not {deed} mirror pod annotation"));
    }
}

fn same_containers(new: &[Value], old: &[Value], at: At<'_>, errors: &mut ErrorList) -> bool {
    if new.len() != old.len() {
        at.forbidden(errors, "pod updates may not add or remove containers");
        return false;
    }
    for (i, container) in new.iter().enumerate() {
        let image = text(container, "image");
        if image.is_empty() {
            at.index(i).child("image").required(errors, "");
        }
        if image.trim().len() != image.len() {
            let words = "must not have leading or trailing whitespace";
            at.index(i).child("image").invalid(errors, image, words);
        }
    }
    true
}

fn deadline(new: &Value, old: &Value, at: At<'_>, errors: &mut ErrorList) -> bool {
    let (new, old) = (opt_int(new, "activeDeadlineSeconds"), opt_int(old, "activeDeadlineSeconds"));
    match (new, old) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            at.invalid(errors, new, names::inclusive_range_error(0, i64::from(i32::MAX)));
            false
        }
        (Some(new), Some(old)) if old < new => {
            at.invalid(errors, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            at.invalid(errors, None::<i64>, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn tolerations(new: &Value, old: &Value, at: At<'_>, errors: &mut ErrorList) {
    let same = |one: &Value, other: &Value| {
        ["key", "operator", "value", "effect"].iter().all(|field| one.get(*field) == other.get(*field))
    };
    let kept = |old: &Value| items(new, "tolerations").iter().any(|toleration| same(toleration, old));
    if items(old, "tolerations").iter().all(kept) {
        scheduling::tolerations(new, at, errors);
    } else {
        at.forbidden(errors, "existing toleration can not be modified except its tolerationSeconds");
    }
}

fn gates(new: &Value, old: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, gate) in items(new, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !items(old, "schedulingGates").iter().any(|gate| text(gate, "name") == name) {
            let words = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            at.index(i).child("name").forbidden(errors, words);
        }
    }
}

/// The new spec with everything that may change set back to the old.
fn munged(new: &Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) -> Value {
    let mut munged = new.clone();
    for list in ["containers", "initContainers"] {
        let containers = munged.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, before) in containers.zip(items(old, list)) {
            set_back(container, before, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        set_back(&mut munged, old, field);
    }
    let negative = opt_int(old, "terminationGracePeriodSeconds").is_some_and(|s| s < 0);
    if negative && opt_int(new, "terminationGracePeriodSeconds") == Some(1) {
        set_back(&mut munged, old, "terminationGracePeriodSeconds");
    }
    if !items(old, "schedulingGates").is_empty() {
        gated(&mut munged, old, at, errors);
    }
    munged
}

fn set_back(new: &mut Value, old: &Value, field: &str) {
    let Some(map) = new.as_object_mut() else { return };
    match old.get(field) {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

/// Before it may be scheduled, a pod's choice of nodes may become narrower.
fn gated(munged: &mut Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if munged.get("nodeSelector") != old.get("nodeSelector") {
        let before = old.get("nodeSelector").and_then(Value::as_object);
        let kept = |(key, value): (&String, &Value)| {
            munged.get("nodeSelector").and_then(|n| n.get(key)) == Some(value)
        };
        if !before.into_iter().flatten().all(kept) {
            let words = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            at.child("nodeSelector").invalid(errors, munged.get("nodeSelector"), words);
        }
        set_back(munged, old, "nodeSelector");
    }
    let of = |spec: &Value| spec.get("affinity").and_then(|a| a.get("nodeAffinity")).cloned();
    let (new_node, old_node) = (of(munged), of(old));
    if new_node == old_node {
        return;
    }
    let affinity = at.child("affinity");
    narrower(new_node.as_ref(), old_node.as_ref(), &affinity.child("nodeAffinity"), errors);
    restore_node_affinity(munged, old, old_node);
}

fn restore_node_affinity(munged: &mut Value, old: &Value, node: Option<Value>) {
    let Some(spec) = munged.as_object_mut() else { return };
    let pods =
        |affinity: &Value| affinity.get("podAffinity").is_some() || affinity.get("podAntiAffinity").is_some();
    if let (Some(affinity), None) = (spec.get("affinity"), old.get("affinity"))
        && !pods(affinity)
    {
        spec.remove("affinity");
        return;
    }
    let affinity = spec.entry("affinity").or_insert_with(|| Value::Object(portcullis_api::Map::new()));
    let Some(map) = affinity.as_object_mut() else { return };
    match node {
        Some(node) => map.insert("nodeAffinity".into(), node),
        None => map.remove("nodeAffinity"),
    };
}

fn narrower(new: Option<&Value>, old: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let Some(old) = old.and_then(|old| old.get(REQUIRED)) else { return };
    let required = at.child(REQUIRED);
    let list = required.child("nodeSelectorTerms");
    let empty = Value::Null;
    let new = new.and_then(|new| new.get(REQUIRED)).unwrap_or(&empty);
    let (new_terms, old_terms) = (items(new, "nodeSelectorTerms"), items(old, "nodeSelectorTerms"));
    if !old_terms.is_empty() && old_terms.len() != new_terms.len() {
        let words = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        list.invalid(errors, new.get("nodeSelectorTerms"), words);
        return;
    }
    for (i, (new, old)) in new_terms.iter().zip(old_terms).enumerate() {
        if !only_additions(new, old) {
            list.index(i).invalid(errors, new, "only additions are allowed (no mutations or deletions)");
        }
    }
}

fn only_additions(new: &Value, old: &Value) -> bool {
    let fields = ["matchExpressions", "matchFields"];
    let was_empty = fields.iter().all(|field| items(old, field).is_empty());
    let is_empty = fields.iter().all(|field| items(new, field).is_empty());
    (!was_empty || is_empty) && fields.iter().all(|field| items(new, field).starts_with(items(old, field)))
}
