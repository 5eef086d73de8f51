//! The row of a node.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Row;
use super::tree::joined;

pub(super) fn node(row: Row<'_>) -> Vec<Value> {
    let info = row.at(&["status", "nodeInfo"]);
    let kernel = info.get("kernelVersion").text_or("<unknown>");
    let kernel = match info.get("architecture").text() {
        "" => kernel.to_owned(),
        architecture => format!("{kernel} ({architecture})"),
    };
    vec![
        row.name(),
        status(row).into(),
        roles(row).into(),
        row.age(),
        info.get("kubeletVersion").cell(),
        address(row, "InternalIP"),
        address(row, "ExternalIP"),
        info.get("osImage").text_or("<unknown>").into(),
        kernel.into(),
        info.get("containerRuntimeVersion").text_or("<unknown>").into(),
    ]
}

fn status(row: Row<'_>) -> String {
    // Of several conditions of one type the last counts.
    let ready = row.at(&["status", "conditions"]).list().rfind(|c| c.get("type").is("Ready"));
    let mut words = match ready {
        None => "Unknown",
        Some(condition) if condition.get("status").is("True") => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if row.at(&["spec", "unschedulable"]).flag() {
        words.push_str(",SchedulingDisabled");
    }
    words
}

fn roles(row: Row<'_>) -> String {
    let labels = row.at(&["metadata", "labels"]).map().into_iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".to_owned() } else { joined(roles.into_iter(), ",") }
}

fn address(row: Row<'_>, r#type: &str) -> Value {
    let addresses = row.at(&["status", "addresses"]);
    let address = addresses.condition(r#type);
    if address.exists() { address.get("address").cell() } else { "<none>".into() }
}
