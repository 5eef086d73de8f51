//! What a claim asks for; it never changes once asked.

use std::collections::HashSet;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, NOT_POSITIVE, immutable, int, items, one_of, required_name, text};
use crate::kinds::others::tree::{part, sub};

const MAX_REQUESTS: usize = 32;
const MAX_ALTERNATIVES: usize = 8;
const MAX_SELECTORS: usize = 32;
const MAX_EXPRESSION: usize = 10 * 1024;

/// The rules of a new claim.
pub(super) fn rules(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), &At::root("spec"), errors);
}

/// The rules of a new template.
pub(super) fn template_rules(new: &Object, errors: &mut ErrorList) {
    spec(sub(part(new, "spec"), "spec"), &At::root("spec").child("spec"), errors);
}

/// What is asked for stays.
pub(super) fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    immutable(Some(part(new, "spec")), Some(part(old, "spec")), At::root("spec"), errors);
}

fn spec(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("devices");
    let requests = items(sub(spec, "devices"), "requests");
    named(requests, MAX_REQUESTS, &at.child("requests"), request, errors);
}

/// A list of things with names that differ.
fn named(
    list: &[Value],
    max: usize,
    at: &At<'_>,
    rules: fn(&Value, &At<'_>, &mut ErrorList),
    errors: &mut ErrorList,
) {
    if list.len() > max {
        at.too_many(errors, list.len(), max);
        return;
    }
    for (i, item) in list.iter().enumerate() {
        rules(item, &at.index(i), errors);
    }
    let mut seen = HashSet::new();
    for (i, item) in list.iter().enumerate() {
        let name = text(item, "name");
        if !seen.insert(name) {
            at.index(i).duplicate(errors, name);
        }
    }
}

fn request(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    request_name(request, at, errors);
    let alternatives = items(request, "firstAvailable");
    match (request.get("exactly"), alternatives.is_empty()) {
        (None, true) => at.required(errors, "exactly one of `exactly` or `firstAvailable` is required"),
        (Some(_), false) => at.invalid(
            errors,
            &Value::Null,
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
        ),
        (Some(exactly), true) => devices(exactly, &at.child("exactly"), errors),
        (None, false) => {
            named(alternatives, MAX_ALTERNATIVES, &at.child("firstAvailable"), alternative, errors);
        }
    }
}

fn alternative(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    request_name(request, at, errors);
    devices(request, at, errors);
}

fn request_name(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("name").rule(errors, text(request, "name"), names::dns1123_label);
}

/// Which class, which of its devices and how many of them.
fn devices(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_name(request, "deviceClassName", names::dns1123_subdomain, at, errors);
    selectors(request, at, errors);
    let (mode, count) = (text(request, "allocationMode"), int(request, "count"));
    let count_at = at.child("count");
    match mode {
        "All" if count != 0 => {
            count_at.invalid(errors, count, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" if count <= 0 => count_at.invalid(errors, count, NOT_POSITIVE),
        _ => one_of(mode, &["All", "ExactCount"], at.child("allocationMode"), errors),
    }
}

/// The selectors of a request or of a class.
pub(super) fn selectors(owner: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("selectors");
    let list = items(owner, "selectors");
    if list.len() > MAX_SELECTORS {
        at.too_many(errors, list.len(), MAX_SELECTORS);
        return;
    }
    for (i, selector) in list.iter().enumerate() {
        let at = at.index(i);
        let at = at.child("cel");
        if selector.get("cel").is_none() {
            at.required(errors, "");
        } else if text(sub(selector, "cel"), "expression").len() > MAX_EXPRESSION {
            at.child("expression").too_long(errors, MAX_EXPRESSION);
        }
    }
}
