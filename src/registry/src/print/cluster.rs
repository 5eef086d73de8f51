//! The rows of the core group's smaller kinds.

use serde_json::Value;

use super::tree::Tree;
use super::{Printer, Row, name_and_age, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "configmaps" => config_map,
        "secrets" => secret,
        "namespaces" => namespace,
        "serviceaccounts" => name_and_age,
        "resourcequotas" => resource_quota,
        "componentstatuses" => component_status,
        _ => plain,
    }
}

fn config_map(row: Row<'_>) -> Vec<Value> {
    let entries = row.object.get("data").len() + row.object.get("binaryData").len();
    vec![row.name(), entries.into(), row.age()]
}

fn secret(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.object.get("type").cell(), row.object.get("data").len().into(), row.age()]
}

fn namespace(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.at(&["status", "phase"]).cell(), row.age()]
}

fn resource_quota(row: Row<'_>) -> Vec<Value> {
    let used = row.at(&["status", "used"]);
    let hard = row.at(&["status", "hard"]).map().into_iter().flatten();
    let (limits, requests): (Vec<_>, Vec<_>) =
        hard.partition(|(resource, _)| resource.starts_with("limits."));
    let column = |entries: Vec<(&String, &Value)>| {
        let cell = |(resource, hard): (&String, &Value)| {
            format!("{resource}: {}/{}", used.get(resource).text_or("0"), Tree::new(hard).text())
        };
        Value::from(entries.into_iter().map(cell).collect::<Vec<_>>().join(", "))
    };
    vec![row.name(), column(requests), column(limits), row.age()]
}

fn component_status(row: Row<'_>) -> Vec<Value> {
    let healthy = row.object.get("conditions").condition("Healthy");
    let status = match (healthy.exists(), healthy.get("status").text()) {
        (false, _) => "Unknown",
        (true, "True") => "Healthy",
        (true, _) => "Unhealthy",
    };
    vec![row.name(), status.into(), healthy.get("message").cell(), healthy.get("error").cell()]
}
