//! What a claim says about its requests together: constraints between their devices, and parameters for drivers.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::reference::{Requests, full_name};
use crate::kinds::check::{At, items, text};
use crate::kinds::core::source::csi_driver;
use crate::kinds::others::tree::sub;

const MAX_CONSTRAINTS: usize = 32;
/// How many configurations a claim or a class may have.
pub(super) const MAX_CONFIG: usize = 32;
const MAX_PARAMETERS: usize = 10 * 1024;
const MAX_CONDITIONS: usize = 4;
const OMITTED: &str = "<value omitted>";

/// Each item of a bounded list.
pub(super) fn each(
    list: &[Value],
    max: usize,
    at: &At<'_>,
    errors: &mut ErrorList,
    mut rule: impl FnMut(&Value, &At<'_>, &mut ErrorList),
) {
    if list.len() > max {
        at.too_many(errors, list.len(), max);
        return;
    }
    for (i, item) in list.iter().enumerate() {
        rule(item, &at.index(i), errors);
    }
}

/// The constraints of a claim.
pub(super) fn constraints(devices: &Value, requests: &Requests<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let list = items(devices, "constraints");
    each(list, MAX_CONSTRAINTS, &at.child("constraints"), errors, |constraint, at, errors| {
        requests.references(constraint, at, errors);
        let name = |field| constraint.get(field).and_then(Value::as_str);
        if let Some(name) = name("matchAttribute") {
            full_name(name, &at.child("matchAttribute"), errors);
        } else if let Some(name) = name("distinctAttribute") {
            full_name(name, &at.child("distinctAttribute"), errors);
        } else {
            let words = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields \
                         are set";
            at.required(errors, words);
        }
    });
}

/// The configurations of a claim.
pub(super) fn of_claim(devices: &Value, requests: &Requests<'_>, at: &At<'_>, errors: &mut ErrorList) {
    each(items(devices, "config"), MAX_CONFIG, &at.child("config"), errors, |config, at, errors| {
        requests.references(config, at, errors);
        opaque(config, at, errors);
    });
}

/// Parameters that only a driver reads.
pub(super) fn opaque(config: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("opaque");
    if config.get("opaque").is_none_or(Value::is_null) {
        at.required(errors, "");
        return;
    }
    let opaque = sub(config, "opaque");
    csi_driver(text(opaque, "driver"), at.child("driver"), errors);
    raw_object(opaque.get("parameters"), &at.child("parameters"), errors);
}

/// Free data that must be an object and small.
pub(super) fn raw_object(data: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    match data {
        None | Some(Value::Null) => at.required(errors, ""),
        Some(data) if data.to_string().len() > MAX_PARAMETERS => at.too_long(errors, MAX_PARAMETERS),
        Some(Value::Object(_)) => {}
        Some(_) => at.invalid(errors, OMITTED, "must be a valid JSON object"),
    }
}

/// The conditions that a device waits for before it is bound, and those that end the wait.
pub(super) fn binding(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    const WAIT: &str = "bindingConditions";
    const FAIL: &str = "bindingFailureConditions";
    let (wait, fail) = (items(device, WAIT), items(device, FAIL));
    for (list, field) in [(wait, WAIT), (fail, FAIL)] {
        each(list, MAX_CONDITIONS, &at.child(field), errors, |name, at, errors| {
            at.rule(errors, name.as_str().unwrap_or_default(), names::qualified_name);
        });
    }
    for (list, field) in [(wait, WAIT), (fail, FAIL)] {
        let at = at.child(field);
        for (i, name) in list.iter().enumerate() {
            if list.iter().take(i).any(|earlier| earlier == name) {
                at.index(i).duplicate(errors, name);
            }
            if field == FAIL && wait.contains(name) {
                let words = "bindingFailureConditions must not overlap with bindingConditions";
                at.index(i).invalid(errors, name, words);
            }
        }
    }
    let null = Value::Null;
    if wait.is_empty() && !fail.is_empty() {
        let words = "bindingConditions are required to use bindingFailureConditions";
        at.child(WAIT).invalid(errors, device.get(WAIT).unwrap_or(&null), words);
    }
    if fail.is_empty() && !wait.is_empty() {
        let words = "bindingFailureConditions are required to use bindingConditions";
        at.child(FAIL).invalid(errors, device.get(FAIL).unwrap_or(&null), words);
    }
}
