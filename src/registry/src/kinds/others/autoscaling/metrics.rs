//! What an autoscaler looks at.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::tree::sub;
use super::{ApiVersion, reference};
use crate::kinds::check::{At, one_of, opt_int, quantity, text};
use crate::kinds::core::pod::container_name;

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
/// The sources in the order they are looked at, with their types.
const SOURCES: [(&str, &str); 5] = [
    ("object", "Object"),
    ("external", "External"),
    ("pods", "Pods"),
    ("resource", "Resource"),
    ("containerResource", "ContainerResource"),
];

/// The rules for one metric: one source, the one its type names.
pub(super) fn metric(metric: &Value, objects: ApiVersion, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(metric, "type");
    if kind.is_empty() {
        at.child("type").required(errors, "must specify a metric source type");
    }
    one_of(kind, &TYPES, at.child("type"), errors);
    let present: Vec<&str> =
        SOURCES.iter().map(|(field, _)| *field).filter(|field| metric.get(*field).is_some()).collect();
    if let Some(first) = present.first() {
        source(first, sub(metric, first), objects, &at.child(first), errors);
    }
    let expected = SOURCES.iter().find(|(_, of)| *of == kind).map(|(field, _)| *field);
    match expected {
        Some(field) if metric.get(field).is_none() => {
            at.child(field).required(errors, "must populate information for the given metric source");
        }
        Some(_) => {}
        None => at.child("type").not_supported(errors, kind, &TYPES),
    }
    if present.len() != 1 {
        for other in present.iter().filter(|field| Some(**field) != expected) {
            at.child(other).forbidden(errors, "must populate the given metric source only");
        }
    }
}

fn source(field: &str, source: &Value, objects: ApiVersion, at: &At<'_>, errors: &mut ErrorList) {
    match field {
        "resource" | "containerResource" => resource(field, source, at, errors),
        "object" => {
            reference(sub(source, "describedObject"), objects, &at.child("describedObject"), errors);
            named(source, at, errors);
            value(source, "must set either a target value or averageValue", at, errors);
        }
        "external" => {
            named(source, at, errors);
            value(source, "must set either a target value for metric or a per-pod target", at, errors);
            if ["value", "averageValue"].iter().all(|value| sub(source, "target").get(*value).is_some()) {
                let words = "may not set both a target value for metric and a per-pod target";
                let target_at = at.child("target");
                target_at.child("value").forbidden(errors, words);
            }
        }
        _ => {
            named(source, at, errors);
            if sub(source, "target").get("averageValue").is_none() {
                let words = "must specify a positive target averageValue";
                let target_at = at.child("target");
                target_at.child("averageValue").required(errors, words);
            }
        }
    }
}

/// A metric that has a name, and its target.
fn named(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let metric = sub(source, "metric");
    let here = at.child("metric");
    match text(metric, "name") {
        "" => here.child("name").required(errors, "must specify a metric name"),
        name => here.child("name").rule(errors, name, names::path_segment_name),
    }
    target(sub(source, "target"), &at.child("target"), errors);
}

fn value(source: &Value, words: &str, at: &At<'_>, errors: &mut ErrorList) {
    let target = sub(source, "target");
    if target.get("value").is_none() && target.get("averageValue").is_none() {
        let target_at = at.child("target");
        target_at.child("averageValue").required(errors, words);
    }
}

fn resource(field: &str, source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(source, "name") {
        "" => at.child("name").required(errors, "must specify a resource name"),
        name if field == "containerResource" => container_name(name, at.child("name"), errors),
        _ => {}
    }
    if field == "containerResource" {
        match text(source, "container") {
            "" => at.child("container").required(errors, "must specify a container"),
            name => at.child("container").rule(errors, name, names::dns1123_label),
        }
    }
    let goal = sub(source, "target");
    let here = at.child("target");
    target(goal, &here, errors);
    let (utilization, value) = (goal.get("averageUtilization"), goal.get("averageValue"));
    match (utilization.is_some(), value.is_some()) {
        (false, false) => {
            let words = "must set either a target raw value or a target utilization";
            here.child("averageUtilization").required(errors, words);
        }
        (true, true) => {
            let words = "may not set both a target raw value and a target utilization";
            here.child("averageValue").forbidden(errors, words);
        }
        _ => {}
    }
}

fn target(target: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(target, "type");
    if kind.is_empty() {
        at.child("type").required(errors, "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        at.child("type").invalid(errors, kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        if let Some(amount) = target.get(field).and_then(Value::as_str)
            && quantity(amount).signum() != 1
        {
            at.child(field).invalid(errors, amount, "must be positive");
        }
    }
    if let Some(percent) = opt_int(target, "averageUtilization").filter(|percent| *percent < 1) {
        at.child("averageUtilization").invalid(errors, percent, "must be greater than 0");
    }
}
