//! The quality of service a pod's requests and limits amount to.

use std::collections::BTreeMap;

use portcullis_api::Value;
use portcullis_api::quantity::Quantity;

use super::super::super::check::{items, quantity};

type Amounts<'a> = BTreeMap<&'a str, Quantity>;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(spec: &Value) -> &'static str {
    let mut requests = Amounts::new();
    let mut limits = Amounts::new();
    let mut guaranteed = true;
    if let Some(resources) = spec.get("resources") {
        add(&mut requests, resources, "requests");
        let limited = add(&mut limits, resources, "limits");
        let any = resources.get("limits").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        guaranteed = !any || limited == 2;
    } else {
        for container in items(spec, "containers").iter().chain(items(spec, "initContainers")) {
            let resources = container.get("resources").unwrap_or(&Value::Null);
            add(&mut requests, resources, "requests");
            guaranteed &= add(&mut limits, resources, "limits") == 2;
        }
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if guaranteed && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Adds the CPU and memory of a list; returns how many of the two it has.
fn add<'a>(total: &mut Amounts<'a>, resources: &'a Value, list: &str) -> usize {
    let mut found = 0;
    for name in ["cpu", "memory"] {
        let Some(amount) = resources.get(list).and_then(|l| l.get(name)?.as_str()).map(quantity) else {
            continue;
        };
        if amount.signum() > 0 {
            found += 1;
            total.entry(name).and_modify(|sum| sum.add(&amount)).or_insert(amount);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_follow_requests_and_limits() {
        let spec = |resources: Value| json!({"containers": [{"resources": resources}]});
        assert_eq!(class(&spec(json!({}))), "BestEffort");
        assert_eq!(class(&spec(json!({"requests": {"cpu": "1"}}))), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(class(&spec(json!({"requests": both, "limits": both}))), "Guaranteed");
        assert_eq!(class(&spec(json!({"requests": {"cpu": "1"}, "limits": both}))), "Burstable");
    }
}
