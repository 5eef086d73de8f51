//! Changing the resources of a running pod.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value};

use super::super::super::check::{At, items, text};
use super::super::super::meta;
use super::annotations::MIRROR;
use super::options::Options;
use super::{qos, update};

/// Lets only the resources and resize policies of the containers through.
pub(super) fn prepare(new: &mut Object, old: &Object) {
    let empty = Value::Null;
    let (new_spec, old_spec) = (new.get("spec").unwrap_or(&empty), old.get("spec").unwrap_or(&empty));
    let lists = ["containers", "initContainers"];
    if lists.iter().any(|list| items(new_spec, list).len() != items(old_spec, list).len()) {
        return;
    }
    let mut spec = old_spec.clone();
    if let Some(map) = spec.as_object_mut() {
        match new_spec.get("resources") {
            Some(resources) => map.insert("resources".into(), resources.clone()),
            None => map.remove("resources"),
        };
        for list in lists {
            if !items(new_spec, list).is_empty() {
                map.insert(list.into(), merged(items(new_spec, list), items(old_spec, list)));
            }
        }
    }
    new.map_mut().insert("spec".into(), spec);
    super::super::keep(new, old, "status");
    super::super::keep_metadata(new, old);
}

fn merged(new: &[Value], old: &[Value]) -> Value {
    let mut merged = old.to_vec();
    for (container, wanted) in merged.iter_mut().zip(new) {
        if text(container, "name") != text(wanted, "name") {
            return new.to_vec().into();
        }
        let Some(map) = container.as_object_mut() else { continue };
        for field in ["resources", "resizePolicy"] {
            match wanted.get(field) {
                Some(value) => map.insert(field.into(), value.clone()),
                None => map.remove(field),
            };
        }
    }
    merged.into()
}

/// The rules for a resize.
pub(super) fn rules(new: &Object, old: &Object, options: Options, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (new_spec, old_spec) = (new.get("spec").unwrap_or(&empty), old.get("spec").unwrap_or(&empty));
    for (kept_out, words) in [
        (old.annotations().any(|(key, _)| key == MIRROR), "static pods cannot be resized"),
        (
            old_spec.get("os").is_some_and(|os| text(os, "name") == "windows"),
            "windows pods cannot be resized",
        ),
    ] {
        if kept_out {
            At::whole().forbidden(errors, words);
            return;
        }
    }
    meta::object_meta_update(new, old, errors);
    update::metadata_and_spec(new, options, errors);
    let at = At::root("spec");
    let class = old.str_at(&["status", "qosClass"]);
    let class = if class.is_empty() { qos::class(old_spec) } else { class };
    if class != qos::class(new_spec) {
        let words = "Pod QOS Class may not change as a result of resizing";
        at.invalid(errors, new.str_at(&["status", "qosClass"]), words);
    }
    if !is_supported(old) {
        at.forbidden(errors, "Pod running on node without support for resize");
    }
    let mut copy = new_spec.clone();
    pod_level(&mut copy, old_spec, at, errors);
    if !same_order(new_spec, old_spec, &at, errors) {
        return;
    }
    containers(new_spec, old_spec, &at, errors);
    munge_containers(&mut copy, old_spec, &at, errors);
    if errors.is_empty() && copy != *old_spec {
        at.forbidden(errors, "only cpu and memory resources are mutable");
    }
}

/// A running container that reports no resources runs on a node that cannot resize.
fn is_supported(pod: &Object) -> bool {
    let empty = Value::Null;
    let statuses = items(pod.get("status").unwrap_or(&empty), "containerStatuses");
    let running =
        statuses.iter().find(|status| status.get("state").is_some_and(|s| s.get("running").is_some()));
    running.is_none_or(|status| status.get("resources").is_some())
}

fn is_filled(resources: Option<&Value>) -> bool {
    let filled = |resources: &Value, list: &str| {
        resources.get(list).and_then(Value::as_object).is_some_and(|m| !m.is_empty())
    };
    resources.is_some_and(|resources| filled(resources, "requests") || filled(resources, "limits"))
}

fn pod_level(copy: &mut Value, old: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (new, before) = (copy.get("resources").cloned(), old.get("resources"));
    if !is_filled(new.as_ref()) && !is_filled(before) {
        return;
    }
    let here = at.child("resources");
    if let Some(before) = before {
        let Some(new) = &new else {
            here.forbidden(errors, "pod-level resources cannot be removed");
            return;
        };
        for list in ["requests", "limits"] {
            if removed(new, before, list) {
                here.child(list).forbidden(errors, format!("pod-level resource {list} cannot be removed"));
            }
        }
    }
    let Some(map) = copy.as_object_mut() else { return };
    let empty = Value::Object(Map::new());
    let set_back = without_cpu_memory(new.as_ref().unwrap_or(&empty), before.unwrap_or(&empty));
    if before.is_none() && !is_filled(Some(&set_back)) {
        map.remove("resources");
    } else {
        map.insert("resources".into(), set_back);
    }
    if map.get("resources") != before {
        at.forbidden(errors, "only cpu and memory resources are mutable at pod-level");
    }
}

fn same_order(new: &Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) -> bool {
    let before = errors.len();
    for list in ["containers", "initContainers"] {
        let here = at.child(list);
        if items(new, list).len() != items(old, list).len() {
            here.forbidden(errors, format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (i, (new, old)) in items(new, list).iter().zip(items(old, list)).enumerate() {
            if text(new, "name") != text(old, "name") {
                let words = format!("{list} may not be renamed or reordered on resize");
                here.index(i).child("name").forbidden(errors, words);
            }
        }
    }
    errors.len() == before
}

fn containers(new: &Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    for list in ["initContainers", "containers"] {
        let here = at.child(list);
        for (i, (new, old)) in items(new, list).iter().zip(items(old, list)).enumerate() {
            let of = |container: &'_ Value| container.get("resources").unwrap_or(&empty).clone();
            let (new, old) = (of(new), of(old));
            let container_at = here.index(i);
            let resources = container_at.child("resources");
            for list in ["requests", "limits"] {
                if removed(&new, &old, list) {
                    resources.child(list).forbidden(errors, format!("resource {list} cannot be removed"));
                }
            }
        }
    }
}

fn removed(new: &Value, old: &Value, list: &str) -> bool {
    let new = new.get(list).and_then(Value::as_object);
    let old = old.get(list).and_then(Value::as_object);
    old.into_iter().flatten().any(|(name, _)| new.is_none_or(|new| !new.contains_key(name)))
}

/// Sets CPU and memory back; what is still different may not change.
fn munge_containers(copy: &mut Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for list in ["containers", "initContainers"] {
        let here = at.child(list);
        let containers = copy.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (i, (container, old)) in containers.zip(items(old, list)).enumerate() {
            let changed = container != old;
            let empty = Value::Object(Map::new());
            let set_back = without_cpu_memory(
                container.get("resources").unwrap_or(&empty),
                old.get("resources").unwrap_or(&empty),
            );
            if let Some(map) = container.as_object_mut() {
                map.insert("resources".into(), set_back);
            }
            if container == old {
                no_restart(container, list, changed, here.index(i), errors);
            } else if list == "containers" {
                at.forbidden(errors, "only cpu and memory resources are mutable");
            } else {
                let words = "only cpu and memory resources for init or sidecar containers are mutable";
                here.index(i).forbidden(errors, words);
            }
        }
    }
}

fn no_restart(container: &Value, list: &str, changed: bool, at: At<'_>, errors: &mut ErrorList) {
    if list == "containers" || !changed || text(container, "restartPolicy") == "Always" {
        return;
    }
    for policy in items(container, "resizePolicy") {
        if text(policy, "restartPolicy") == "RestartContainer" {
            let words =
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            at.forbidden(errors, words);
        }
    }
}

/// The new requirements with the old CPU and memory.
fn without_cpu_memory(new: &Value, old: &Value) -> Value {
    let mut result = Map::new();
    for list in ["limits", "requests"] {
        let mut amounts = new.get(list).and_then(Value::as_object).cloned().unwrap_or_default();
        for name in ["cpu", "memory"] {
            match old.get(list).and_then(|l| l.get(name)) {
                Some(amount) => amounts.insert(name.into(), amount.clone()),
                None => amounts.remove(name),
            };
        }
        if !amounts.is_empty() {
            result.insert(list.into(), amounts.into());
        }
    }
    result.into()
}
