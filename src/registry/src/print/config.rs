//! The rows of the groups with few kinds each.

use serde_json::Value;

use super::tree::Tree;
use super::{Printer, Row, name_and_age, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "apiservices" => api_service,
        "priorityclasses" => priority_class,
        "leases" => lease,
        "runtimeclasses" => runtime_class,
        "deviceclasses" | "resourceclaimtemplates" => name_and_age,
        "resourceclaims" => resource_claim,
        "resourceslices" => resource_slice,
        "flowschemas" => flow_schema,
        "prioritylevelconfigurations" => priority_level,
        _ => plain,
    }
}

/// What flow schemas are ordered by.
pub(super) fn precedence(flow_schema: Tree<'_>) -> i64 {
    flow_schema.at(&["spec", "matchingPrecedence"]).int()
}

fn api_service(row: Row<'_>) -> Vec<Value> {
    let service = row.at(&["spec", "service"]);
    let service = if service.exists() {
        format!("{}/{}", service.get("namespace").text(), service.get("name").text())
    } else {
        "Local".to_owned()
    };
    let available = row.at(&["status", "conditions"]).condition("Available");
    let status = available.get("status").text();
    let available = match (available.exists(), status, available.get("reason").text()) {
        (false, ..) => "Unknown".to_owned(),
        (true, "True", _) | (true, _, "") => status.to_owned(),
        (true, _, reason) => format!("{status} ({reason})"),
    };
    vec![row.name(), service.into(), available.into(), row.age()]
}

fn priority_class(row: Row<'_>) -> Vec<Value> {
    let object = row.object;
    vec![
        row.name(),
        object.get("value").count(),
        object.get("globalDefault").flag().into(),
        row.age(),
        object.get("preemptionPolicy").cell(),
    ]
}

fn lease(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.at(&["spec", "holderIdentity"]).cell(), row.age()]
}

fn runtime_class(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.object.get("handler").cell(), row.age()]
}

fn resource_claim(row: Row<'_>) -> Vec<Value> {
    let mut states = Vec::new();
    let allocated = row.at(&["status", "allocation"]).exists();
    if row.is_deleting() {
        states.push("deleted");
    } else if !allocated {
        states.push("pending");
    }
    if allocated {
        states.push("allocated");
        if row.at(&["status", "reservedFor"]).len() > 0 {
            states.push("reserved");
        }
    }
    vec![row.name(), states.join(",").into(), row.age()]
}

fn resource_slice(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let pool = spec.at(&["pool", "name"]).cell();
    vec![row.name(), spec.get("nodeName").cell(), spec.get("driver").cell(), pool, row.age()]
}

fn flow_schema(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let method = spec.get("distinguisherMethod");
    let dangling = row.at(&["status", "conditions"]).condition("Dangling");
    vec![
        row.name(),
        spec.at(&["priorityLevelConfiguration", "name"]).cell(),
        spec.get("matchingPrecedence").count(),
        if method.exists() { method.get("type").cell() } else { "<none>".into() },
        row.age(),
        if dangling.exists() { dangling.get("status").cell() } else { "?".into() },
    ]
}

fn priority_level(row: Row<'_>) -> Vec<Value> {
    let limited = row.at(&["spec", "limited"]);
    let queuing = limited.at(&["limitResponse", "queuing"]);
    let number =
        |holder: Tree<'_>, field| if holder.exists() { holder.get(field).count() } else { "<none>".into() };
    vec![
        row.name(),
        row.at(&["spec", "type"]).cell(),
        number(limited, "nominalConcurrencyShares"),
        number(queuing, "queues"),
        number(queuing, "handSize"),
        number(queuing, "queueLengthLimit"),
        row.age(),
    ]
}
