//! What a claim asks for; it never changes once asked.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::config::{constraints, each, of_claim};
use super::device::tolerations;
use super::reference::{Requests, distinct};
use super::selector::selectors;
use crate::kinds::check::{At, NOT_POSITIVE, immutable_as, int, items, one_of, required_name, text};
use crate::kinds::meta;
use crate::kinds::others::tree::{part, sub};

const MAX_REQUESTS: usize = 32;
const MAX_ALTERNATIVES: usize = 8;

/// The rules of a new claim.
pub(super) fn rules(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), &At::root("spec"), errors);
}

/// The rules of a new template.
pub(super) fn template_rules(new: &Object, errors: &mut ErrorList) {
    let (template, at) = (part(new, "spec"), At::root("spec"));
    let (metadata, here) = (sub(template, "metadata"), at.child("metadata"));
    meta::annotations(metadata.get("annotations"), here.child("annotations"), errors);
    meta::labels(metadata.get("labels"), here.child("labels"), errors);
    spec(sub(template, "spec"), &at.child("spec"), errors);
}

/// What is asked for stays.
pub(super) fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    immutable_as("ResourceClaimSpec", new.get("spec"), old.get("spec"), At::root("spec"), errors);
}

/// What is asked for by each claim of a template stays.
pub(super) fn template_change(new: &Object, old: &Object, errors: &mut ErrorList) {
    immutable_as("ResourceClaimTemplateSpec", new.get("spec"), old.get("spec"), At::root("spec"), errors);
}

fn spec(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (devices, at) = (sub(spec, "devices"), at.child("devices"));
    named(items(devices, "requests"), MAX_REQUESTS, &at.child("requests"), request, errors);
    let requests = Requests::of(devices);
    constraints(devices, &requests, &at, errors);
    of_claim(devices, &requests, &at, errors);
}

/// A list of things with names that differ.
fn named(
    list: &[Value],
    max: usize,
    at: &At<'_>,
    rules: fn(&Value, &At<'_>, &mut ErrorList),
    errors: &mut ErrorList,
) {
    each(list, max, at, errors, rules);
    if list.len() <= max {
        distinct(list.iter().map(|item| text(item, "name")), at, errors);
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
    tolerations(request, at, errors);
}
