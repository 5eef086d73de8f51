//! When a job fails and when it is done early.

use portcullis_api::field::{Error, ErrorKind, ErrorList};
use portcullis_api::{Value, names};

use super::indexes;
use crate::kinds::check::{At, items, non_negative, one_of, opt_int, text};
use crate::kinds::others::tree::sub;

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const INDEXES_MAX: usize = 64 * 1024;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

/// Reports a mistake whose value is not shown.
pub(super) fn invalid_unshown(at: &At<'_>, detail: &str, errors: &mut ErrorList) {
    let path = at.to_path();
    errors.push(Error { kind: ErrorKind::Invalid, path, shown: None, detail: detail.to_owned() });
}

/// The rules for a pod failure policy.
pub(super) fn failure(spec: &Value, policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("rules");
    let rules = items(policy, "rules");
    if rules.len() > RULES_MAX {
        at.too_many(errors, rules.len(), RULES_MAX);
    }
    for (i, rule) in rules.iter().enumerate() {
        failure_rule(spec, rule, &at.index(i), errors);
    }
}

fn failure_rule(spec: &Value, rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let action = text(rule, "action");
    if action == "FailIndex" {
        if opt_int(spec, "backoffLimitPerIndex").is_none() {
            at.child("action").invalid(errors, action, "requires the backoffLimitPerIndex to be set");
        }
    } else {
        known(action, &ACTIONS, at.child("action"), errors);
    }
    let codes = rule.get("onExitCodes");
    let conditions = items(rule, "onPodConditions");
    if let Some(codes) = codes {
        exit_codes(spec, codes, &at.child("onExitCodes"), errors);
    }
    pod_conditions(conditions, &at.child("onPodConditions"), errors);
    match (codes.is_some(), !conditions.is_empty()) {
        (true, true) => {
            invalid_unshown(at, "specifying both OnExitCodes and OnPodConditions is not supported", errors);
        }
        (false, false) => {
            invalid_unshown(at, "specifying one of OnExitCodes and OnPodConditions is required", errors);
        }
        _ => {}
    }
}

/// A text must be there and be one of a few, which are named when it is not there.
fn known(value: &str, values: &[&str], at: At<'_>, errors: &mut ErrorList) {
    if value.is_empty() {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        at.required(errors, &format!("valid values: [{}]", quoted.join(" ")));
    } else {
        one_of(value, values, at, errors);
    }
}

fn exit_codes(spec: &Value, codes: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let operator = text(codes, "operator");
    known(operator, &OPERATORS, at.child("operator"), errors);
    if let Some(name) = codes.get("containerName").and_then(Value::as_str) {
        let pod = sub(sub(spec, "template"), "spec");
        let mut containers = items(pod, "containers").iter().chain(items(pod, "initContainers"));
        if !containers.any(|container| text(container, "name") == name) {
            let words = "must be one of the container or initContainer names in the pod template";
            at.child("containerName").invalid(errors, name, words);
        }
    }
    let at = at.child("values");
    let values: Vec<i64> = items(codes, "values").iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        at.invalid(errors, codes.get("values"), "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        at.too_many(errors, values.len(), EXIT_CODES_MAX);
    }
    for (i, value) in values.iter().enumerate() {
        if operator == "In" && *value == 0 {
            at.index(i).invalid(errors, *value, "must not be 0 for the In operator");
        }
        if values.iter().take(i).any(|other| other == value) {
            at.index(i).duplicate(errors, *value);
        }
    }
    if !values.is_sorted() {
        at.invalid(errors, codes.get("values"), "must be ordered");
    }
}

fn pod_conditions(conditions: &[Value], at: &At<'_>, errors: &mut ErrorList) {
    if conditions.len() > CONDITIONS_MAX {
        at.too_many(errors, conditions.len(), CONDITIONS_MAX);
    }
    for (i, condition) in conditions.iter().enumerate() {
        let here = at.index(i);
        here.child("type").rule(errors, text(condition, "type"), names::qualified_name);
        known(text(condition, "status"), &STATUSES, here.child("status"), errors);
    }
}

/// The rules for a success policy.
pub(super) fn success(spec: &Value, policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("rules");
    let rules = items(policy, "rules");
    if rules.is_empty() {
        at.required(errors, "at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > RULES_MAX {
        at.too_many(errors, rules.len(), RULES_MAX);
    }
    let completions = opt_int(spec, "completions").unwrap_or_default();
    for (i, rule) in rules.iter().enumerate() {
        success_rule(completions, rule, &at.index(i), errors);
    }
}

fn success_rule(completions: i64, rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let indexes = rule.get("succeededIndexes").and_then(Value::as_str);
    let count = opt_int(rule, "succeededCount");
    if indexes.is_none() && count.is_none() {
        at.required(errors, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(text) = indexes {
        let here = at.child("succeededIndexes");
        if text.len() > INDEXES_MAX {
            here.too_long(errors, INDEXES_MAX);
        }
        match indexes::count(text, completions) {
            Ok(count) => total = count,
            Err(why) => here.invalid(errors, text, format!("error parsing succeededIndexes: {why}")),
        }
    }
    let Some(count) = count else { return };
    let here = at.child("succeededCount");
    let mut bound = |bound: i64, of: &str| {
        if count > bound {
            here.invalid(errors, count, format!("must be less than or equal to {bound} ({of})"));
        }
    };
    if count < 0 {
        non_negative(count, here, errors);
        return;
    }
    bound(completions, "the number of specified completions");
    if indexes.is_some() {
        bound(total, "the number of indexes in the specified succeededIndexes field");
    }
}
