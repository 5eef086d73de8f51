//! Requests that follow from limits, of containers and of the pod as a whole.

use std::collections::BTreeMap;

use portcullis_api::quantity::Quantity;
use portcullis_api::{Map, Value};

use super::super::tree::{child, child_or_new, each, str_of};

type Amounts = BTreeMap<String, Quantity>;

/// Fills in the requests of a pod's containers, then those of the pod.
pub(super) fn apply(spec: &mut Map<String, Value>) {
    each(spec, "containers", requests_from_limits);
    each(spec, "initContainers", requests_from_limits);
    if spec.get("resources").is_some_and(|r| !is_empty(r, "limits") || !is_empty(r, "requests")) {
        pod_huge_page_limits(spec);
        pod_requests(spec);
    }
}

fn is_empty(resources: &Value, field: &str) -> bool {
    resources.get(field).and_then(Value::as_object).is_none_or(Map::is_empty)
}

fn requests_from_limits(container: &mut Map<String, Value>) {
    let Some(resources) = child(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let Some(requests) = child_or_new(resources, "requests") else { return };
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

fn pod_huge_page_limits(spec: &mut Map<String, Value>) {
    let wanted = aggregate(spec, "limits");
    let Some(resources) = child(spec, "resources") else { return };
    for (name, amount) in wanted {
        let requested = resources.get("requests").and_then(|r| r.get(&name)).is_some();
        if is_huge_page(&name) && !requested {
            put_missing(resources, "limits", &name, &amount.to_string());
        }
    }
}

fn pod_requests(spec: &mut Map<String, Value>) {
    let wanted = aggregate(spec, "requests");
    let Some(resources) = child(spec, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if limits.is_empty() {
        return;
    }
    for (name, amount) in wanted {
        if name == "cpu" || name == "memory" {
            put_missing(resources, "requests", &name, &amount.to_string());
        }
    }
    for (name, amount) in &limits {
        if let Some(amount) = amount.as_str()
            && is_pod_level(name)
        {
            put_missing(resources, "requests", name, amount);
        }
    }
}

fn put_missing(resources: &mut Map<String, Value>, field: &str, name: &str, amount: &str) {
    if let Some(list) = child_or_new(resources, field)
        && !list.contains_key(name)
    {
        list.insert(name.to_owned(), amount.into());
    }
}

/// What all containers need together: the sum of those that run side by side, or the most that any
/// step of the initialisation needs.
fn aggregate(spec: &Map<String, Value>, field: &str) -> Amounts {
    let mut total = Amounts::new();
    for container in list(spec, "containers") {
        add(&mut total, &amounts(container, field));
    }
    let mut sidecars = Amounts::new();
    let mut initial = Amounts::new();
    for container in list(spec, "initContainers") {
        let own = amounts(container, field);
        let mut step = sidecars.clone();
        add(&mut step, &own);
        if str_of(container, "restartPolicy") == "Always" {
            add(&mut total, &own);
            sidecars = step.clone();
        }
        raise(&mut initial, step);
    }
    raise(&mut total, initial);
    total
}

fn list<'a>(spec: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    spec.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn amounts(container: &Map<String, Value>, field: &str) -> Amounts {
    let list = container.get("resources").and_then(|r| r.get(field)?.as_object());
    let parsed = list
        .into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?)));
    parsed.collect()
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        total.entry(name.clone()).and_modify(|sum| sum.add(amount)).or_insert_with(|| amount.clone());
    }
}

fn raise(total: &mut Amounts, floor: Amounts) {
    for (name, amount) in floor {
        let slot = total.entry(name).or_insert_with(|| amount.clone());
        if amount > *slot {
            *slot = amount;
        }
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_pod_level(name: &str) -> bool {
    name == "cpu" || name == "memory" || is_huge_page(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_requests_what_its_containers_do() {
        let mut spec = json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
            "containers": [{"resources": {"requests": {"cpu": "100m"}}}, {"resources": {"limits": {"cpu": "400m"}}}],
            "initContainers": [{"resources": {"requests": {"cpu": "1"}}}]});
        apply(spec.as_object_mut().unwrap());
        assert_eq!(spec.pointer("/resources/requests"), Some(&json!({"cpu": "1", "memory": "1Gi"})));
    }
}
