//! What of a job may change: little, and more of it while the job rests.

use std::borrow::Cow;

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value};

use super::job::{has_prefixed_labels, job};
use super::job_spec::with_selector;
use super::job_status::holds;
use crate::kinds::check::{At, IMMUTABLE, flag, immutable_as, int, items, opt_int, text};
use crate::kinds::core::pod::Options;
use crate::kinds::meta;
use crate::kinds::others::tree::{immutable_selector, part, sub};

/// What never changes, and the types of its fields.
const FIXED: [(&str, &str); 5] = [
    ("completionMode", "*string"),
    ("podFailurePolicy", "*PodFailurePolicy"),
    ("backoffLimitPerIndex", "*int"),
    ("managedBy", "*string"),
    ("successPolicy", "*SuccessPolicy"),
];

/// The rules for a change of a job.
pub(super) fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (spec, before) = (part(new, "spec"), part(old, "spec"));
    let options = Options::template().keeping(Some(sub(sub(before, "template"), "spec")));
    meta::object_meta(new, true, meta::dns_subdomain, errors);
    job(new, has_prefixed_labels(old), options, errors);
    meta::object_meta_update(new, old, errors);
    with_selector(spec, options, errors);
    let at = At::root("spec");
    completions(spec, before, at.child("completions"), errors);
    immutable_selector(spec.get("selector"), before.get("selector"), at.child("selector"), errors);
    template(spec, before, is_resting(old), &at, errors);
    for (field, kind) in FIXED {
        immutable_as(kind, spec.get(field), before.get(field), at.child(field), errors);
    }
}

/// A suspended job without pods, that has not begun or is known to be suspended.
fn is_resting(job: &Object) -> bool {
    let status = part(job, "status");
    let idle = status.get("startTime").is_none() || holds(status, "Suspended", "True");
    flag(part(job, "spec"), "suspend") && idle && int(status, "active") == 0
}

fn completions(spec: &Value, before: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (new, old) = (opt_int(spec, "completions"), opt_int(before, "completions"));
    if text(spec, "completionMode") != "Indexed" {
        if new != old {
            at.invalid(errors, new, IMMUTABLE);
        }
        return;
    }
    if let Some(new) = new.filter(|_| new != old && new != opt_int(spec, "parallelism")) {
        at.invalid(errors, new, "can only be modified in tandem with spec.parallelism");
    }
}

fn template(spec: &Value, before: &Value, resting: bool, at: &At<'_>, errors: &mut ErrorList) {
    let new = sub(spec, "template");
    let old = sub(before, "template");
    let old = if resting { Cow::Owned(with_directives(new, old)) } else { Cow::Borrowed(old) };
    if !resting || !flag(before, "suspend") {
        immutable_as("PodTemplateSpec", Some(new), Some(&*old), at.child("template"), errors);
        return;
    }
    let (pod, old) = (sub(new, "spec"), with_resources(sub(new, "spec"), sub(&old, "spec")));
    immutable_as("PodSpec", Some(pod), Some(&old), at.child("template.spec"), errors);
}

/// The old template with what tells the scheduler where pods may go taken from the new one.
fn with_directives(new: &Value, old: &Value) -> Value {
    let mut old = old.clone();
    for (holder, fields) in [
        ("spec", &["nodeSelector", "tolerations", "schedulingGates"][..]),
        ("metadata", &["annotations", "labels"]),
    ] {
        let from = sub(new, holder);
        let Some(to) = old.get_mut(holder).and_then(Value::as_object_mut) else { continue };
        for field in fields {
            take(from, to, field);
        }
    }
    let affinity = new.pointer("/spec/affinity");
    if let Some(spec) = old.get_mut("spec").and_then(Value::as_object_mut) {
        let mut kept =
            spec.remove("affinity").and_then(|affinity| affinity.as_object().cloned()).unwrap_or_default();
        take(affinity.unwrap_or(&Value::Null), &mut kept, "nodeAffinity");
        if affinity.is_some() || !kept.is_empty() {
            spec.insert("affinity".into(), kept.into());
        }
    }
    old
}

/// The old pod spec with the resources of containers that kept their place and name.
fn with_resources(new: &Value, old: &Value) -> Value {
    let mut old = old.clone();
    for list in ["containers", "initContainers"] {
        let from = items(new, list);
        let Some(to) = old.get_mut(list).and_then(Value::as_array_mut) else { continue };
        if from.len() != to.len() {
            continue;
        }
        for (from, to) in from.iter().zip(to) {
            let same = text(from, "name") == text(to, "name");
            if let Some(to) = to.as_object_mut().filter(|_| same) {
                take(from, to, "resources");
            }
        }
    }
    old
}

fn take(from: &Value, to: &mut Map<String, Value>, field: &str) {
    match from.get(field) {
        Some(value) => to.insert(field.to_owned(), value.clone()),
        None => to.remove(field),
    };
}
