//! Cron jobs.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::job::spec_warnings;
use super::{job_spec, schedule};
use crate::kinds::check::{At, flag, non_negative, one_of_required, opt_int, text};
use crate::kinds::core::internal;
use crate::kinds::core::pod::Options;
use crate::kinds::meta;
use crate::kinds::others::apps::name_warnings;
use crate::kinds::others::kind::{Kind, Status, empty, nothing};
use crate::kinds::others::tree::{part, sub};

/// Cron jobs themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .change(|new, old, errors| spec(part(new, "spec"), old.get("spec"), errors))
    .template(&["spec", "jobTemplate", "spec", "template"])
    .status(empty)
    .generation(&["spec"])
    .warns(warnings);

/// Their status.
pub(super) static STATUS: Status = Status::new(nothing);

/// Jobs are named after their cron job, with eleven characters more.
const NAME_MAX: usize = 52;

fn create(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), None, errors);
    if new.name().len() > NAME_MAX {
        let metadata = At::root("metadata");
        metadata.child("name").invalid(
            errors,
            new.name(),
            format!("must be no more than {NAME_MAX} characters"),
        );
    }
}

fn spec(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let at = At::root("spec");
    schedule(spec, old, at.child("schedule"), errors);
    let seconds = "startingDeadlineSeconds";
    non_negative(opt_int(spec, seconds).unwrap_or_default(), at.child(seconds), errors);
    let zone = spec.get("timeZone");
    if old.is_none_or(|old| old.get("timeZone") != zone)
        && let Some(zone) = zone.and_then(Value::as_str)
    {
        time_zone(zone, at.child("timeZone"), errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    one_of_required(text(spec, "concurrencyPolicy"), &policies, at.child("concurrencyPolicy"), errors);
    job_template(spec, old, &at.child("jobTemplate"), errors);
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        non_negative(opt_int(spec, field).unwrap_or_default(), at.child(field), errors);
    }
}

fn schedule(spec: &Value, old: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let text_of = text(spec, "schedule");
    if text_of.is_empty() {
        at.required(errors, "");
        return;
    }
    if let Err(why) = schedule::check(text_of) {
        at.invalid(errors, text_of, why);
    }
    let had_zone = old.is_some_and(|old| text(old, "schedule").contains("TZ"));
    match (text_of.contains("TZ"), had_zone) {
        (true, true) if spec.get("timeZone").is_some() => {
            at.invalid(errors, text_of, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
        (true, false) => {
            at.invalid(errors, text_of, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
        _ => {}
    }
}

fn time_zone(zone: &str, at: At<'_>, errors: &mut ErrorList) {
    if zone.is_empty() {
        at.invalid(errors, zone, "timeZone must be nil or non-empty string");
        return;
    }
    let unknown = format!("unknown time zone {zone}");
    if !zone.split('/').all(is_zone_part) {
        at.invalid(errors, zone, unknown);
        return;
    }
    if zone.eq_ignore_ascii_case("local") {
        let words = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        at.invalid(errors, zone, words);
        // Upstream's library knows the exact name.
        if zone == "Local" {
            return;
        }
    }
    if !schedule::is_zone(zone) {
        at.invalid(errors, zone, unknown);
    }
}

fn is_zone_part(part: &str) -> bool {
    const MAX: usize = 14;
    let known = |b: u8| b.is_ascii_alphanumeric() || b".-_+".contains(&b);
    (1..=MAX).contains(&part.len())
        && part != "."
        && part != ".."
        && !part.starts_with('-')
        && part.bytes().all(known)
}

fn job_template(spec: &Value, old: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let job = |spec| sub(sub(spec, "jobTemplate"), "spec");
    let before = old.map(|old| sub(sub(job(old), "template"), "spec"));
    let job = job(spec);
    let at = at.child("spec");
    job_spec::spec(job, Options::template().keeping(before), &at, errors);
    if let Some(selector) = job.get("selector") {
        let shown = internal("*LabelSelector", selector);
        at.child("selector").invalid(errors, shown, "`selector` will be auto-generated");
    }
    if flag(job, "manualSelector") {
        at.child("manualSelector").not_supported(errors, true, &["nil", "false"]);
    }
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    let job = |object| sub(sub(part(object, "spec"), "jobTemplate"), "spec");
    let spec = At::root("spec");
    let template = spec.child("jobTemplate");
    let at = template.child("spec");
    let mut warnings = if old.is_none() { name_warnings(new) } else { Vec::new() };
    if old.is_none_or(|old| old.generation() != new.generation()) {
        warnings.extend(spec_warnings(job(new), old.map(job), at));
    }
    let schedule = text(part(new, "spec"), "schedule");
    if old.is_some() && schedule.contains("TZ") {
        warnings.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .to_owned(),
        );
    }
    warnings
}
