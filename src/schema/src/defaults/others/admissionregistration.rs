//! Defaults of admission webhooks and policies.

use portcullis_api::{Map, Object, Value};

use super::super::tree::{child, child_or_new, each, set_missing};

type Tree = Map<String, Value>;

pub(super) fn validating_webhooks(object: &mut Object) {
    each(object.map_mut(), "webhooks", webhook);
}

pub(super) fn mutating_webhooks(object: &mut Object) {
    each(object.map_mut(), "webhooks", |hook| {
        webhook(hook);
        set_missing(hook, "reinvocationPolicy", "Never");
    });
}

pub(super) fn policy(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "failurePolicy", "Fail");
    match_resources(spec, "matchConstraints");
}

pub(super) fn policy_binding(object: &mut Object) {
    if let Some(spec) = child(object.map_mut(), "spec") {
        match_resources(spec, "matchResources");
    }
}

fn webhook(hook: &mut Tree) {
    set_missing(hook, "failurePolicy", "Fail");
    what_matches(hook);
    set_missing(hook, "timeoutSeconds", 10);
    if let Some(service) = child(hook, "clientConfig").and_then(|client| child(client, "service")) {
        set_missing(service, "port", 443);
    }
    each(hook, "rules", any_scope);
}

fn match_resources(spec: &mut Tree, field: &str) {
    let Some(matches) = child(spec, field) else { return };
    what_matches(matches);
    each(matches, "resourceRules", any_scope);
    each(matches, "excludeResourceRules", any_scope);
}

fn what_matches(tree: &mut Tree) {
    set_missing(tree, "matchPolicy", "Equivalent");
    set_missing(tree, "namespaceSelector", Map::new());
    set_missing(tree, "objectSelector", Map::new());
}

fn any_scope(rule: &mut Tree) {
    set_missing(rule, "scope", "*");
}
