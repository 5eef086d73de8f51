//! The rows of admission webhooks and policies.

use serde_json::Value;

use super::selector::go_string;
use super::{Printer, Row, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => webhooks,
        "validatingadmissionpolicies" => |row| policy(row, "validations"),
        "mutatingadmissionpolicies" => |row| policy(row, "mutations"),
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => binding,
        _ => plain,
    }
}

fn webhooks(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.object.get("webhooks").len().into(), row.age()]
}

fn policy(row: Row<'_>, rules: &str) -> Vec<Value> {
    let kind = row.at(&["spec", "paramKind"]);
    let kind = if kind.exists() {
        format!("{}/{}", kind.get("apiVersion").text(), kind.get("kind").text())
    } else {
        "<unset>".to_owned()
    };
    vec![row.name(), row.at(&["spec", rules]).len().into(), kind.into(), row.age()]
}

fn binding(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.at(&["spec", "policyName"]).cell(), parameter(row).into(), row.age()]
}

fn parameter(row: Row<'_>) -> String {
    let parameter = row.at(&["spec", "paramRef"]);
    let selector = parameter.get("selector");
    match (parameter.get("name").text(), parameter.get("namespace").text_or("*")) {
        ("", _) if selector.exists() => go_string(selector),
        ("", _) => "<unset>".to_owned(),
        (name, namespace) => format!("{namespace}/{name}"),
    }
}
