//! What requests a webhook or policy is about.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use crate::kinds::check::{At, items, one_of, text, texts};
use crate::kinds::meta;
use crate::kinds::others::tree::there;

pub(super) const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
pub(super) const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
pub(super) const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const MUTATING_OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const CONDITIONS_MAX: usize = 64;

/// A list where the wildcard stands alone.
fn alone(list: &[&str]) -> bool {
    list.len() <= 1 || !list.contains(&"*")
}

/// The rules for one rule with its operations.
pub(super) fn rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let operations: Vec<&str> = texts(rule, "operations").collect();
    let here = at.child("operations");
    if operations.is_empty() {
        here.required(errors, "");
    }
    if !alone(&operations) {
        here.invalid(errors, rule.get("operations"), "if '*' is present, must not specify other operations");
    }
    for (i, operation) in operations.iter().enumerate() {
        one_of(operation, &OPERATIONS, here.index(i), errors);
    }
    for (field, words) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let list: Vec<&str> = texts(rule, field).collect();
        let here = at.child(field);
        if list.is_empty() {
            here.required(errors, "");
        }
        if !alone(&list) {
            here.invalid(
                errors,
                rule.get(field),
                format!("if '*' is present, must not specify other {words}"),
            );
        }
        for (i, _) in list.iter().enumerate().filter(|(_, entry)| field == "apiVersions" && entry.is_empty())
        {
            here.index(i).required(errors, "");
        }
    }
    resources(rule, &at.child("resources"), errors);
    if let Some(scope) = rule.get("scope").and_then(Value::as_str) {
        one_of(scope, &SCOPES, at.child("scope"), errors);
    }
}

fn resources(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list: Vec<&str> = texts(rule, "resources").collect();
    if list.is_empty() {
        at.required(errors, "");
    }
    let (mut any_sub, mut any_resource): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut whole = false;
    for (i, entry) in list.iter().enumerate() {
        let here = at.index(i);
        if entry.is_empty() {
            here.required(errors, "");
            continue;
        }
        let Some((resource, sub)) = entry.split_once('/') else {
            whole = *entry != "*";
            continue;
        };
        if any_sub.contains(&resource) {
            here.invalid(errors, *entry, format!("if '{resource}/*' is present, must not specify {entry}"));
        }
        if any_resource.contains(&sub) {
            here.invalid(errors, *entry, format!("if '*/{sub}' is present, must not specify {entry}"));
        }
        any_sub.extend((sub == "*").then_some(resource));
        any_resource.extend((resource == "*").then_some(sub));
    }
    let shown = rule.get("resources");
    if list.len() > 1 && list.contains(&"*/*") {
        at.invalid(errors, shown, "if '*/*' is present, must not specify other resources");
    }
    if whole && list.contains(&"*") {
        let words = "if '*' is present, must not specify other resources without subresources";
        at.invalid(errors, shown, words);
    }
}

/// The rules for what a policy or its binding matches.
pub(super) fn matches(matches: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let here = at.child("matchPolicy");
    match matches.get("matchPolicy").and_then(Value::as_str) {
        None => here.required(errors, ""),
        Some(policy) => one_of(policy, &MATCH_POLICIES, here, errors),
    }
    for field in ["namespaceSelector", "objectSelector"] {
        let selector = there(matches, field);
        if selector.is_none() {
            at.child(field).required(errors, "");
        }
        meta::label_selector(selector, at.child(field), errors);
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let here = at.child(field);
        for (i, rule) in items(matches, field).iter().enumerate() {
            named(rule, &here.index(i), errors);
        }
    }
}

fn named(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list: Vec<&str> = texts(rule, "resourceNames").collect();
    let here = at.child("resourceNames");
    for (i, name) in list.iter().enumerate() {
        here.index(i).rule(errors, name, names::path_segment_name);
        if list.iter().take(i).any(|other| other == name) {
            here.index(i).duplicate(errors, *name);
        }
    }
    self::rule(rule, at, errors);
}

/// Mutation is for what is not going away.
pub(super) fn mutating_operations(matches: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("resourceRules");
    for rule in items(matches, "resourceRules") {
        for operation in texts(rule, "operations") {
            one_of(operation, &MUTATING_OPERATIONS, at.child("operations"), errors);
        }
    }
}

/// The rules for match conditions.
pub(super) fn conditions(
    holder: &Value,
    at: &At<'_>,
    compile: &dyn Fn(&str) -> Result<(), String>,
    errors: &mut ErrorList,
) {
    let list = items(holder, "matchConditions");
    if list.len() > CONDITIONS_MAX {
        at.too_many(errors, list.len(), CONDITIONS_MAX);
    }
    for (i, condition) in list.iter().enumerate() {
        let here = at.index(i);
        let expression = text(condition, "expression").trim();
        if expression.is_empty() {
            here.child("expression").required(errors, "");
        } else if let Err(why) = compile(expression) {
            here.child("expression").invalid(errors, expression, why);
        }
        let name = text(condition, "name");
        if name.is_empty() {
            here.child("name").required(errors, "");
            continue;
        }
        here.child("name").rule(errors, name, names::qualified_name);
        if list.iter().take(i).any(|other| text(other, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
    }
}
