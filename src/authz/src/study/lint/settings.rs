//! Configurations of a server that lie among the policies: the chain of authorizers, the audit policy, encryption.

use portcullis_api::{Object, Value};

use super::{Finder, Finding, Level};
use crate::study::read::Placed;

/// The kinds that are looked at.
pub(in crate::study) const KINDS: [&str; 3] =
    ["AuthorizationConfiguration", "EncryptionConfiguration", "Policy"];

/// What a log must show, and why.
const SENSITIVE: [(&str, &str); 4] = [
    ("secrets", "who reads secrets"),
    ("pods/exec", "who runs commands in pods"),
    ("pods/attach", "who runs commands in pods"),
    ("serviceaccounts/token", "who mints tokens"),
];

pub(super) fn lint(placed: &Placed, findings: &mut Vec<Finding>) {
    let object = &placed.object;
    let subject = object.kind().to_owned();
    let mut find = Finder { findings, subject, file: &placed.file, line: placed.line };
    match object.kind() {
        "AuthorizationConfiguration" => authorizers(object, &mut find),
        "EncryptionConfiguration" => encryption(object, &mut find),
        "Policy" if object.api_version().starts_with("audit.k8s.io/") => audit(object, &mut find),
        _ => {}
    }
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    items(value).filter_map(Value::as_str)
}

fn authorizers(object: &Object, find: &mut Finder<'_>) {
    let kinds: Vec<&str> =
        items(object.get("authorizers")).filter_map(|one| one.get("type")?.as_str()).collect();
    if !kinds.contains(&"Node") {
        find.find("authorizers", Level::Error, "without Node, nodes have no rights, or too many by bindings");
    }
    if !kinds.contains(&"RBAC") {
        find.find("authorizers", Level::Warning, "without RBAC, roles and bindings decide nothing");
    }
    if kinds.contains(&"AlwaysAllow") {
        find.find("authorizers", Level::Error, "AlwaysAllow gives everything to everybody");
    }
    let last = kinds.iter().rev().find(|kind| **kind != "AlwaysDeny");
    if kinds.contains(&"RBAC") && last != Some(&"RBAC") {
        find.find(
            "authorizers",
            Level::Warning,
            "what stands behind RBAC is asked only where no role grants it",
        );
    }
    for one in items(object.get("authorizers")) {
        if one.pointer("/webhook/failurePolicy").and_then(Value::as_str) == Some("NoOpinion") {
            let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
            let what = format!("an outage of the webhook {name} leaves the decision to the others");
            find.find("authorizers", Level::Warning, &what);
        }
    }
}

fn encryption(object: &Object, find: &mut Finder<'_>) {
    for rule in items(object.get("resources")) {
        let first = items(rule.get("providers")).next().and_then(Value::as_object);
        if first.is_some_and(|provider| provider.contains_key("identity")) {
            let resources: Vec<&str> = texts(rule.get("resources")).collect();
            let what =
                format!("the first provider is identity: {} are written as they are", resources.join(", "));
            let secret = resources.iter().any(|r| matches!(*r, "secrets" | "*." | "*.*"));
            find.find("settings", if secret { Level::Error } else { Level::Warning }, &what);
        }
    }
}

/// The first rule that matches decides, so that only what is about everybody and every verb hides something for certain.
fn audit(object: &Object, find: &mut Finder<'_>) {
    for rule in items(object.get("rules")) {
        let is_none = rule.get("level").and_then(Value::as_str) == Some("None");
        let narrow = ["users", "userGroups", "namespaces", "nonResourceURLs"]
            .iter()
            .any(|field| items(rule.get(*field)).next().is_some());
        if !is_none || narrow {
            continue;
        }
        for (resource, what) in SENSITIVE {
            if covers(rule, resource) {
                find.find("settings", Level::Error, &format!("{what} is not recorded"));
            }
        }
    }
}

fn covers(rule: &Value, resource: &str) -> bool {
    let Some(groups) = rule.get("resources").and_then(Value::as_array).filter(|list| !list.is_empty()) else {
        return true;
    };
    groups.iter().any(|group| {
        let core = group.get("group").and_then(Value::as_str).unwrap_or_default().is_empty();
        let mut named = texts(group.get("resources")).peekable();
        let all = named.peek().is_none();
        let base = resource.split('/').next().unwrap_or_default();
        core && (all || named.any(|one| one == resource || one == "*" || one == format!("{base}/*")))
    })
}
