//! Arithmetic on resource lists: what a pod asks for as a whole.

use std::collections::BTreeMap;

use crate::Value;
use crate::quantity::Quantity;

use crate::tree::{at, items, text};

/// Amounts by resource name, sorted by name.
pub type Amounts<'a> = BTreeMap<&'a str, Quantity>;

/// Which half of a container's resources is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// What is kept free for it.
    Requests,
    /// What it may take at most.
    Limits,
}

impl Half {
    fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// A resource list read from a tree; what is no quantity is left out.
pub fn read(list: Option<&Value>) -> Amounts<'_> {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str(), quantity(value)?))).collect()
}

/// A quantity read from a tree.
pub fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

/// A container's requests or limits.
pub fn of_container(container: &Value, half: Half) -> Amounts<'_> {
    read(at(container, &["resources", half.field()]))
}

/// A pod's requests or limits as a whole: its containers and sidecars together, or its hungriest
/// moment while it starts, whichever is more; what the pod names for itself goes before that.
pub fn of_pod(spec: &Value, half: Half) -> Amounts<'_> {
    let mut total = Amounts::new();
    for container in items(spec, "containers") {
        add(&mut total, &of_container(container, half));
    }
    let mut sidecars = Amounts::new();
    let mut starting = Amounts::new();
    for container in items(spec, "initContainers") {
        let own = of_container(container, half);
        if text(container, "restartPolicy") == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut together = own;
            add(&mut together, &sidecars);
            raise(&mut starting, &together);
        }
    }
    raise(&mut total, &starting);
    for (name, amount) in read(at(spec, &["resources", half.field()])) {
        if matches!(name, "cpu" | "memory") {
            total.insert(name, amount);
        }
    }
    total
}

/// Adds amounts to a sum.
pub fn add<'a>(sum: &mut Amounts<'a>, more: &Amounts<'a>) {
    for (name, amount) in more {
        sum.entry(name).and_modify(|known| known.add(amount)).or_insert_with(|| amount.clone());
    }
}

/// Raises amounts to at least the given ones.
fn raise<'a>(list: &mut Amounts<'a>, least: &Amounts<'a>) {
    for (name, amount) in least {
        let known = list.entry(name).or_insert_with(|| amount.clone());
        if amount > known {
            known.clone_from(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_asks_for_its_hungriest_moment() {
        let spec = json!({
            "containers": [
                { "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } } },
                { "resources": { "requests": { "cpu": "200m" } } },
            ],
            "initContainers": [
                { "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m" } } },
                { "resources": { "requests": { "cpu": "1", "memory": "32Mi" } } },
            ],
        });
        let amounts = of_pod(&spec, Half::Requests);
        assert_eq!(amounts["cpu"], Quantity::parse("1050m").unwrap());
        assert_eq!(amounts["memory"], Quantity::parse("64Mi").unwrap());
        assert!(of_pod(&spec, Half::Limits).is_empty());
    }

    #[test]
    fn what_the_pod_names_goes_before_the_sum() {
        let spec = json!({
            "resources": { "limits": { "cpu": "2", "hugepages-2Mi": "4Mi" } },
            "containers": [{ "resources": { "limits": { "cpu": "100m" } } }],
        });
        let amounts = of_pod(&spec, Half::Limits);
        assert_eq!(amounts["cpu"], Quantity::parse("2").unwrap());
        assert!(!amounts.contains_key("hugepages-2Mi"));
    }
}
