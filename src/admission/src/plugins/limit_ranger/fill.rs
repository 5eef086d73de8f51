//! Filling in what containers leave open.

use portcullis_api::{Map, Object, Value};

use portcullis_api::tree::text;

const NOTE: &str = "kubernetes.io/limit-ranger";

/// Gives containers the requests and limits they do not name, and notes on the pod which.
pub(super) fn defaults(limits: &[Value], pod: &mut Object) {
    let requests = collect(limits, "defaultRequest");
    let most = collect(limits, "default");
    if requests.is_empty() && most.is_empty() {
        return;
    }
    let mut notes = Vec::new();
    for (field, words) in [("containers", "container"), ("initContainers", "init container")] {
        let spec = pod.map_mut().get_mut("spec").and_then(|spec| spec.get_mut(field));
        for container in spec.and_then(Value::as_array_mut).into_iter().flatten() {
            let name = text(container, "name").to_owned();
            let Some(container) = container.as_object_mut() else { continue };
            let limits = fill(container, "limits", &most);
            let requests = fill(container, "requests", &requests);
            for (set, what) in [(requests, "request"), (limits, "limit")] {
                if !set.is_empty() {
                    notes.push(format!("{} {what} for {words} {name}", set.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.set_at(&["metadata", "annotations", NOTE], note.into());
    }
}

/// The defaults for containers; what comes later goes before.
fn collect(limits: &[Value], field: &str) -> Map<String, Value> {
    let of_containers = limits.iter().filter(|limit| text(limit, "type") == "Container");
    let defaults = of_containers.filter_map(|limit| limit.get(field)?.as_object());
    defaults.flatten().map(|(name, amount)| (name.clone(), amount.clone())).collect()
}

/// Sets what is missing; returns what that was, sorted.
fn fill<'a>(
    container: &mut Map<String, Value>,
    half: &str,
    defaults: &'a Map<String, Value>,
) -> Vec<&'a str> {
    let has = |name: &str| {
        let list = container.get("resources").and_then(|resources| resources.get(half));
        list.is_some_and(|list| list.get(name).is_some())
    };
    let mut missing: Vec<&str> = defaults.keys().map(String::as_str).filter(|name| !has(name)).collect();
    missing.sort_unstable();
    if missing.is_empty() {
        return missing;
    }
    let Some(resources) = child(container, "resources").and_then(|resources| child(resources, half)) else {
        return Vec::new();
    };
    for name in &missing {
        if let Some(amount) = defaults.get(*name) {
            resources.insert((*name).to_owned(), amount.clone());
        }
    }
    missing
}

/// The object in a field, made if missing.
fn child<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.entry(field).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}
