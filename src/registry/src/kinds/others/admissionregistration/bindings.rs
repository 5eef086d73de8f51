//! Bindings of admission policies.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::rules;
use crate::kinds::check::{At, one_of, one_of_required, required_name, text, texts};
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::tree::part;

/// Bindings of validating policies.
pub(super) static VALIDATING: Kind = Kind::cluster(meta::dns_subdomain, validating)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        validating(new, errors);
    })
    .generation(&["spec"])
    .needs_version();

/// Bindings of mutating policies.
pub(super) static MUTATING: Kind = Kind::cluster(meta::dns_subdomain, mutating)
    .only_change(|new, _, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        mutating(new, errors);
    })
    .generation(&["spec"])
    .needs_version();

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];

fn validating(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    common(spec, &at, errors);
    actions(spec, at.child("validationActions"), errors);
}

fn mutating(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    common(spec, &at, errors);
    if let Some(matches) = spec.get("matchResources") {
        rules::mutating_operations(matches, &at.child("matchResources"), errors);
    }
}

fn common(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_name(spec, "policyName", names::dns1123_subdomain, at, errors);
    if let Some(parameter) = spec.get("paramRef") {
        self::parameter(parameter, &at.child("paramRef"), errors);
    }
    if let Some(matches) = spec.get("matchResources") {
        rules::matches(matches, &at.child("matchResources"), errors);
    }
}

fn parameter(parameter: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (name, selector) = (text(parameter, "name"), parameter.get("selector"));
    let both = "name and selector are mutually exclusive";
    if !name.is_empty() {
        at.child("name").rule(errors, name, names::path_segment_name);
        if selector.is_some() {
            at.child("name").forbidden(errors, both);
        }
    }
    if selector.is_some() {
        meta::label_selector(selector, at.child("selector"), errors);
        if !name.is_empty() {
            at.child("selector").forbidden(errors, both);
        }
    }
    if name.is_empty() && selector.is_none() {
        at.required(errors, "one of name or selector must be specified");
    }
    let action = text(parameter, "parameterNotFoundAction");
    one_of_required(action, &["Deny", "Allow"], at.child("parameterNotFoundAction"), errors);
}

fn actions(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let actions: Vec<&str> = texts(spec, "validationActions").collect();
    for (i, action) in actions.iter().enumerate() {
        one_of(action, &ACTIONS, at.index(i), errors);
        if actions.iter().take(i).any(|other| other == action) {
            at.index(i).duplicate(errors, *action);
        }
    }
    if actions.contains(&"Deny") && actions.contains(&"Warn") {
        let words = "must not contain both Deny and Warn (repeating the same validation failure information in the \
                     API response and headers serves no purpose)";
        at.invalid(errors, spec.get("validationActions"), words);
    }
    if actions.is_empty() {
        at.required(errors, "at least one validation action is required");
    }
}
