//! Classes of storage, and how much of one is left.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, immutable_as, items, non_negative_quantity, one_of, text, texts};
use crate::kinds::core::node_labels;
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::tree::part;

/// Storage classes.
pub(super) static STORAGE_CLASS: Kind =
    Kind::cluster(meta::dns_subdomain, storage_class).new_and_change(same_class).warns(class_warnings);

/// Classes of volume attributes.
pub(super) static ATTRIBUTES_CLASS: Kind =
    Kind::cluster(meta::dns_subdomain, attributes_class).only_change(same_attributes);

/// Capacities.
pub(super) static CAPACITY: Kind =
    Kind::namespaced(meta::dns_subdomain, |new, errors| capacity(new, false, errors))
        .only_change(|new, old, errors| {
            meta::object_meta(new, true, meta::dns_subdomain, errors);
            capacity(new, has_odd_topology(old), errors);
            meta::object_meta_update(new, old, errors);
            same_topology(new, old, errors);
        })
        .needs_version()
        .warns(topology_warnings);

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_SIZE_MAX: usize = 256 * 1024;
const CLASS_FIELDS: [(&str, &str); 4] = [
    ("parameters", "map:string"),
    ("provisioner", "string"),
    ("reclaimPolicy", "*string"),
    ("volumeBindingMode", "*string"),
];

fn storage_class(new: &Object, errors: &mut ErrorList) {
    provisioner(new.str_at(&["provisioner"]), At::root("provisioner"), errors);
    parameters(part(new, "parameters"), false, errors);
    match new.str_at(&["reclaimPolicy"]) {
        "" => {}
        policy => one_of(policy, &["Delete", "Retain"], At::root("reclaimPolicy"), errors),
    }
    let at = At::root("volumeBindingMode");
    match new.get("volumeBindingMode").and_then(Value::as_str) {
        None => at.required(errors, ""),
        Some(mode) => one_of(mode, &["Immediate", "WaitForFirstConsumer"], at, errors),
    }
    topologies(new, errors);
}

fn provisioner(name: &str, at: At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
    } else {
        let lower = name.to_lowercase();
        at.messages(errors, &lower, names::qualified_name(&lower));
    }
}

fn parameters(parameters: &Value, required: bool, errors: &mut ErrorList) {
    let at = At::root("parameters");
    let count = parameters.as_object().map_or(0, |map| map.len());
    if count > PARAMETERS_MAX {
        at.too_long(errors, PARAMETERS_MAX);
        return;
    }
    let mut size = 0;
    for (key, value) in parameters.as_object().into_iter().flatten() {
        if key.is_empty() {
            at.invalid(errors, key, "field can not be empty.");
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > PARAMETERS_SIZE_MAX {
        at.too_long(errors, PARAMETERS_SIZE_MAX);
    }
    if required && count == 0 {
        at.required(errors, "must contain at least one key/value pair");
    }
}

fn topologies(class: &Object, errors: &mut ErrorList) {
    let at = At::root("allowedTopologies");
    let terms = part(class, "allowedTopologies").as_array().map_or(&[][..], Vec::as_slice);
    for (i, term) in terms.iter().enumerate() {
        let here = at.index(i);
        let here = here.child("matchLabelExpressions");
        let mut seen: Vec<&str> = Vec::new();
        for (i, requirement) in items(term, "matchLabelExpressions").iter().enumerate() {
            let here = here.index(i);
            topology(requirement, &here, errors);
            let key = text(requirement, "key");
            if seen.contains(&key) {
                here.child("key").duplicate(errors, key);
            }
            seen.push(key);
        }
        // Upstream compares with as many empty terms as there are terms, too.
        let empty = if items(term, "matchLabelExpressions").is_empty() { terms.len() } else { 0 };
        let same = terms.iter().take(i).filter(|other| demands(other) == demands(term)).count();
        for _ in 0..empty + same {
            here.duplicate(errors, "");
        }
    }
}

/// What a term asks for: values by key, in no order.
fn demands(term: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    items(term, "matchLabelExpressions")
        .iter()
        .map(|one| (text(one, "key"), texts(one, "values").collect()))
        .collect()
}

fn topology(requirement: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let values: Vec<&str> = texts(requirement, "values").collect();
    let here = at.child("values");
    if values.is_empty() {
        here.required(errors, "");
    }
    for (i, value) in values.iter().enumerate() {
        if values.iter().take(i).any(|other| other == value) {
            here.index(i).duplicate(errors, *value);
        }
    }
    at.child("key").rule(errors, text(requirement, "key"), names::qualified_name);
}

fn same_class(new: &Object, old: &Object, errors: &mut ErrorList) {
    for (field, kind) in CLASS_FIELDS {
        immutable_as(kind, new.get(field), old.get(field), At::root(field), errors);
    }
}

fn attributes_class(new: &Object, errors: &mut ErrorList) {
    provisioner(new.str_at(&["driverName"]), At::root("driverName"), errors);
    parameters(part(new, "parameters"), true, errors);
}

fn same_attributes(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    for field in ["driverName", "parameters"] {
        if new.get(field) != old.get(field) {
            At::root(field).forbidden(errors, format!("updates to {field} are forbidden."));
        }
    }
    meta::object_meta(new, false, meta::dns_subdomain, errors);
    attributes_class(new, errors);
}

fn capacity(new: &Object, odd_topology: bool, errors: &mut ErrorList) {
    meta::selector_with(new.get("nodeTopology"), odd_topology, At::root("nodeTopology"), errors);
    At::root("storageClassName").rule(errors, new.str_at(&["storageClassName"]), names::dns1123_subdomain);
    if let Some(amount) = new.get("capacity").and_then(Value::as_str) {
        non_negative_quantity(amount, At::root("capacity"), errors);
    }
}

fn has_odd_topology(old: &Object) -> bool {
    let mut errors = ErrorList::new();
    meta::label_selector(old.get("nodeTopology"), At::root("nodeTopology"), &mut errors);
    !errors.is_empty()
}

fn topology_warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let mut found = Vec::new();
    node_labels::selector(part(new, "nodeTopology"), "nodeTopology", &mut found);
    found
}

fn class_warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let mut found = Vec::new();
    let terms = part(new, "allowedTopologies").as_array().into_iter().flatten();
    for (i, term) in terms.enumerate() {
        for (j, expression) in items(term, "matchLabelExpressions").iter().enumerate() {
            if let Some(words) = node_labels::deprecated(text(expression, "key")) {
                let path = format!("allowedTopologies[{i}].matchLabelExpressions[{j}].key");
                found.push(format!("{path}: {words}"));
            }
        }
    }
    found
}

fn same_topology(new: &Object, old: &Object, errors: &mut ErrorList) {
    for (field, kind) in [("nodeTopology", "*LabelSelector"), ("storageClassName", "string")] {
        immutable_as(kind, new.get(field), old.get(field), At::root(field), errors);
    }
}
