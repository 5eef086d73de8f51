//! Where a pod may run: node selectors, affinities, tolerations.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, int, items, one_of, text, texts};
use super::super::super::meta;
use super::options::Options;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The affinity of a pod.
pub(super) fn affinity(affinity: Option<&Value>, options: Options, at: At<'_>, errors: &mut ErrorList) {
    let Some(affinity) = affinity else { return };
    if let Some(node) = affinity.get("nodeAffinity") {
        let here = at.child("nodeAffinity");
        if let Some(selector) = node.get(REQUIRED) {
            node_selector(selector, options.odd_node_values, here.child(REQUIRED), errors);
        }
        let list = here.child(PREFERRED);
        for (i, term) in items(node, PREFERRED).iter().enumerate() {
            let here = list.index(i);
            weight(term, here.child("weight"), errors);
            if let Some(preference) = term.get("preference") {
                node_selector_term(preference, true, here.child("preference"), errors);
            }
        }
    }
    for field in ["podAffinity", "podAntiAffinity"] {
        if let Some(pods) = affinity.get(field) {
            pod_affinity(pods, options.odd_selectors, at.child(field), errors);
        }
    }
}

/// Only the selectors of the affinities to pods.
pub(super) fn selectors(affinity: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let Some(affinity) = affinity else { return };
    for pods in ["podAffinity", "podAntiAffinity"].iter().filter_map(|field| affinity.get(*field)) {
        let weighted = items(pods, PREFERRED).iter().filter_map(|term| term.get("podAffinityTerm"));
        for term in items(pods, REQUIRED).iter().chain(weighted) {
            meta::label_selector(term.get("labelSelector"), at, errors);
        }
    }
}

/// Only the values of the required affinity to nodes.
pub(super) fn required_node_values(affinity: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let terms = affinity.and_then(|a| a.get("nodeAffinity")?.get(REQUIRED));
    for term in terms.into_iter().flat_map(|selector| items(selector, "nodeSelectorTerms")) {
        let values =
            items(term, "matchExpressions").iter().flat_map(|expression| texts(expression, "values"));
        values.for_each(|value| at.rule(errors, value, names::label_value));
    }
}

/// A selector of nodes: one of its terms must match.
pub(crate) fn node_selector(selector: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let list = at.child("nodeSelectorTerms");
    let terms = items(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        list.required(errors, "must have at least one node selector term");
    }
    for (i, term) in terms.iter().enumerate() {
        node_selector_term(term, any_value, list.index(i), errors);
    }
}

/// One term of a selector of nodes.
pub(super) fn node_selector_term(term: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let list = at.child("matchExpressions");
    for (i, requirement) in items(term, "matchExpressions").iter().enumerate() {
        label_requirement(requirement, any_value, list.index(i), errors);
    }
    let list = at.child("matchFields");
    for (i, requirement) in items(term, "matchFields").iter().enumerate() {
        field_requirement(requirement, list.index(i), errors);
    }
}

fn label_requirement(requirement: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let count = items(requirement, "values").len();
    let values = at.child("values");
    match text(requirement, "operator") {
        "In" | "NotIn" => {
            if count == 0 {
                values.required(errors, "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if count > 0 {
                values
                    .forbidden(errors, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        "Gt" | "Lt" => {
            if count != 1 {
                values.required(errors, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
        }
        other => at.child("operator").invalid(errors, other, "not a valid selector operator"),
    }
    at.child("key").rule(errors, text(requirement, "key"), names::qualified_name);
    if !any_value {
        for (i, value) in texts(requirement, "values").enumerate() {
            values.index(i).rule(errors, value, names::label_value);
        }
    }
}

fn field_requirement(requirement: &Value, at: At<'_>, errors: &mut ErrorList) {
    match text(requirement, "operator") {
        "In" | "NotIn" => {
            if items(requirement, "values").len() != 1 {
                let words =
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                at.child("values").required(errors, words);
            }
        }
        other => at.child("operator").invalid(errors, other, "not a valid selector operator"),
    }
    let key = text(requirement, "key");
    if key != "metadata.name" {
        at.child("key").invalid(errors, key, "not a valid field selector key");
        return;
    }
    let values = at.child("values");
    for (i, value) in texts(requirement, "values").enumerate() {
        values.index(i).rule(errors, value, names::dns1123_subdomain);
    }
}

fn weight(term: &Value, at: At<'_>, errors: &mut ErrorList) {
    let weight = int(term, "weight");
    if !(1..=100).contains(&weight) {
        at.invalid(errors, weight, "must be in the range 1-100");
    }
}

fn pod_affinity(affinity: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let list = at.child(REQUIRED);
    for (i, term) in items(affinity, REQUIRED).iter().enumerate() {
        pod_term(term, any_value, list.index(i), errors);
    }
    let list = at.child(PREFERRED);
    for (i, weighted) in items(affinity, PREFERRED).iter().enumerate() {
        let here = list.index(i);
        weight(weighted, here.child("weight"), errors);
        if let Some(term) = weighted.get("podAffinityTerm") {
            pod_term(term, any_value, here.child("podAffinityTerm"), errors);
        }
    }
}

fn pod_term(term: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    for field in ["labelSelector", "namespaceSelector"] {
        meta::selector_with(term.get(field), any_value, at.child(field), errors);
    }
    for namespace in texts(term, "namespaces") {
        at.child("namespace").rule(errors, namespace, names::dns1123_label);
    }
    label_keys_disjoint(term, &at, errors);
    let key = text(term, "topologyKey");
    if key.is_empty() {
        at.child("topologyKey").required(errors, "can not be empty");
    }
    at.child("topologyKey").rule(errors, key, names::qualified_name);
}

/// The keys whose values are taken from the pod itself, beside a selector.
pub(super) fn label_keys_disjoint(term: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let selector = term.get("labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        if items(term, field).is_empty() {
            continue;
        }
        let list = at.child(field);
        if selector.is_none() {
            list.forbidden(errors, "must not be specified when labelSelector is not set");
            continue;
        }
        for (i, key) in texts(term, field).enumerate() {
            list.index(i).rule(errors, key, names::qualified_name);
        }
    }
    if let Some(selector) = selector {
        keys_beside_selector(term, selector, at, errors);
    }
    let list = at.child("matchLabelKeys");
    for (i, key) in texts(term, "matchLabelKeys").enumerate() {
        if texts(term, "mismatchLabelKeys").any(|other| other == key) {
            list.index(i).invalid(errors, key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// The server adds each key to the selector once; a second mention is the user's.
fn keys_beside_selector(term: &Value, selector: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let keys: Vec<&str> = texts(term, "matchLabelKeys").collect();
    if keys.is_empty() {
        return;
    }
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let mut seen: Vec<&str> = labels.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
    for key in items(selector, "matchExpressions").iter().map(|expression| text(expression, "key")) {
        if let Some(i) = keys.iter().rposition(|wanted| *wanted == key)
            && seen.contains(&key)
        {
            at.index(i).invalid(errors, key, "exists in both matchLabelKeys and labelSelector");
        }
        seen.push(key);
    }
}

/// The taints a pod bears.
pub(crate) fn tolerations(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, toleration) in items(spec, "tolerations").iter().enumerate() {
        self::toleration(toleration, at.index(i), errors);
    }
}

fn toleration(toleration: &Value, at: At<'_>, errors: &mut ErrorList) {
    let part = |field| text(toleration, field);
    let (key, operator, value, effect) = (part("key"), part("operator"), part("value"), part("effect"));
    if !key.is_empty() {
        at.child("key").rule(errors, key, names::qualified_name);
    } else if operator != "Exists" {
        let words =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        at.child("operator").invalid(errors, operator, words);
    }
    if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
        let words = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        at.child("effect").invalid(errors, effect, words);
    }
    match operator {
        "Equal" | "" => {
            let messages = names::label_value(value);
            if !messages.is_empty() {
                at.child("operator").invalid(errors, value, messages.join(";"));
            }
        }
        "Exists" if !value.is_empty() => {
            at.child("operator").invalid(errors, value, "value must be empty when `operator` is 'Exists'");
        }
        "Exists" => {}
        "Lt" | "Gt" => {
            at.child("operator").not_supported(errors, operator, &["Equal", "Exists", "Lt", "Gt"]);
        }
        other => at.child("operator").not_supported(errors, other, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        one_of(effect, &EFFECTS, at.child("effect"), errors);
    }
}
