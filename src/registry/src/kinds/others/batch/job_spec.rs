//! What a job may ask for.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::policies;
use crate::kinds::check::{At, non_negative, one_of, opt_int, text};
use crate::kinds::core::internal;
use crate::kinds::core::pod::{self, Options};
use crate::kinds::meta;
use crate::kinds::others::names::domain_prefixed_path;
use crate::kinds::others::tree::{selects, sub};

const PARALLELISM_MAX: i64 = 100_000;
const FAILED_INDEXES_MAX: i64 = 100_000;
/// Above this many completions the bounds are tighter.
const MANY_COMPLETIONS: i64 = 100_000;
const BOUND_OF_MANY: i64 = 10_000;
const MANAGED_BY_MAX: usize = 63;

/// The rules for a job's spec, its selector included.
pub(super) fn with_selector(spec: &Value, options: Options, errors: &mut ErrorList) {
    let at = At::root("spec");
    self::spec(spec, options, &at, errors);
    let selector = spec.get("selector");
    if selector.is_none() {
        at.child("selector").required(errors, "");
    }
    meta::selector_with(selector, options.odd_selectors, at.child("selector"), errors);
    let labels = sub(sub(spec, "template"), "metadata").get("labels");
    if selects(selector, labels) == Some(false) {
        let at = at.child("template");
        let at = at.child("metadata");
        at.child("labels").invalid(errors, labels, "`selector` does not match template `labels`");
    }
}

/// The rules for a job's spec, wherever it stands.
pub(super) fn spec(spec: &Value, options: Options, at: &At<'_>, errors: &mut ErrorList) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    for field in numbers {
        non_negative(opt_int(spec, field).unwrap_or_default(), at.child(field), errors);
    }
    let has = |field| opt_int(spec, field).is_some();
    if has("maxFailedIndexes") && !has("backoffLimitPerIndex") {
        at.child("backoffLimitPerIndex").required(errors, "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec.get("managedBy").and_then(Value::as_str) {
        domain_prefixed_path(manager, at.child("managedBy"), errors);
        if manager.len() > MANAGED_BY_MAX {
            at.child("managedBy").too_long(errors, MANAGED_BY_MAX);
        }
    }
    mode(spec, at, errors);
    policies(spec, at, errors);
    pod::template(sub(spec, "template"), at.child("template"), options, errors);
    restart_policy(spec, at, errors);
}

fn mode(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mode = text(spec, "completionMode");
    if spec.get("completionMode").is_some_and(Value::is_string) {
        one_of(mode, &["NonIndexed", "Indexed"], at.child("completionMode"), errors);
    }
    if mode == "Indexed" {
        indexed(spec, at, errors);
    }
    if mode.is_empty() || mode == "NonIndexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(number) = opt_int(spec, field) {
                at.child(field).invalid(errors, number, "requires indexed completion mode");
            }
        }
    }
}

fn indexed(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let number = |field| opt_int(spec, field);
    let (completions, failed) = (number("completions"), number("maxFailedIndexes"));
    let (parallelism_at, failed_at) = (at.child("parallelism"), at.child("maxFailedIndexes"));
    if completions.is_none() {
        at.child("completions").required(errors, "when completion mode is Indexed");
    }
    let parallelism = number("parallelism").unwrap_or_default();
    if parallelism > PARALLELISM_MAX {
        let words =
            format!("must be less than or equal to {PARALLELISM_MAX} when completion mode is Indexed");
        parallelism_at.invalid(errors, parallelism, words);
    }
    if let (Some(completions), Some(failed)) = (completions, failed)
        && failed > completions
    {
        failed_at.invalid(errors, failed, "must be less than or equal to completions");
    }
    if let Some(failed) = failed.filter(|failed| *failed > FAILED_INDEXES_MAX) {
        failed_at.invalid(errors, failed, format!("must be less than or equal to {FAILED_INDEXES_MAX}"));
    }
    if completions.is_none_or(|count| count <= MANY_COMPLETIONS) || number("backoffLimitPerIndex").is_none() {
        return;
    }
    let words = format!(
        "must be less than or equal to {BOUND_OF_MANY} when completions are above {MANY_COMPLETIONS} and used \
         with backoff limit per index"
    );
    if failed.is_none() {
        failed_at
            .required(errors, &format!("must be specified when completions is above {MANY_COMPLETIONS}"));
    }
    if parallelism > BOUND_OF_MANY {
        parallelism_at.invalid(errors, parallelism, words.clone());
    }
    if let Some(failed) = failed.filter(|failed| *failed > BOUND_OF_MANY) {
        failed_at.invalid(errors, failed, words);
    }
}

fn policies(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let failure = spec.get("podFailurePolicy");
    if let Some(policy) = failure {
        policies::failure(spec, policy, &at.child("podFailurePolicy"), errors);
    }
    if let Some(policy) = spec.get("successPolicy") {
        let here = at.child("successPolicy");
        if text(spec, "completionMode") == "Indexed" {
            policies::success(spec, policy, &here, errors);
        } else {
            here.invalid(errors, internal("*SuccessPolicy", policy), "requires indexed completion mode");
        }
    }
    if let Some(policy) = spec.get("podReplacementPolicy").and_then(Value::as_str) {
        let known: &[&str] = if failure.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        one_of(policy, known, at.child("podReplacementPolicy"), errors);
    }
}

fn restart_policy(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("template");
    let at = at.child("spec");
    let at = at.child("restartPolicy");
    match text(sub(sub(spec, "template"), "spec"), "restartPolicy") {
        "Always" | "" => at.required(errors, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        policy @ "OnFailure" if spec.get("podFailurePolicy").is_some() => {
            at.invalid(errors, policy, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" => {}
        other => at.not_supported(errors, other, &["OnFailure", "Never"]),
    }
}
