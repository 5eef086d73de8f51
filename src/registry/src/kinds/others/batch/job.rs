//! Jobs: their selector is made for them unless they bring one.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value, names};
use serde_json::json;

use super::{job_spec, job_status, job_update};
use crate::kinds::check::{At, flag, opt_int, text};
use crate::kinds::core::internal;
use crate::kinds::core::pod::{self, Options};
use crate::kinds::meta;
use crate::kinds::others::apps::name_warnings;
use crate::kinds::others::kind::{Kind, Status, empty};
use crate::kinds::others::tree::{part, path, selects, sub};

/// Jobs themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .only_change(job_update::update)
    .template(&["spec", "template"])
    .status(empty)
    .generation(&["spec"])
    .on_create(make_selector)
    .orphans()
    .warns(warnings);

/// Their status.
pub(super) static STATUS: Status = Status::new(job_status::change);

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const OLD_CONTROLLER_UID: &str = "controller-uid";
const OLD_JOB_NAME: &str = "job-name";

/// Labels the pods with who made them, and selects by that.
fn make_selector(job: &mut Object) {
    if flag(part(job, "spec"), "manualSelector") {
        return;
    }
    let template_labels = ["spec", "template", "metadata", "labels"];
    let own = job.at(&["metadata", "labels"]);
    let inherits = own.is_none() || own == job.at(&template_labels);
    let (name, uid) = (job.name().to_owned(), job.uid().to_owned());
    let labels =
        [(OLD_JOB_NAME, &name), (JOB_NAME, &name), (OLD_CONTROLLER_UID, &uid), (CONTROLLER_UID, &uid)];
    for (label, value) in labels {
        let at = ["spec", "template", "metadata", "labels", label];
        if job.at(&at).is_none() {
            job.set_at(&at, json!(value));
        }
    }
    let at = ["spec", "selector", "matchLabels", CONTROLLER_UID];
    if job.at(&at).is_none() {
        job.set_at(&at, json!(uid));
    }
    // A job without labels of its own has those of its pods, the ones made here included.
    if inherits && let Some(labels) = job.at(&template_labels).cloned() {
        job.metadata_mut().insert("labels".into(), labels);
    }
}

fn create(new: &Object, errors: &mut ErrorList) {
    job(new, true, Options::template(), errors);
}

/// The rules for a job after those of its metadata; `prefixed` asks for labels of today's form too.
pub(super) fn job(new: &Object, prefixed: bool, options: Options, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    generated_selector(new, prefixed, errors);
    job_spec::with_selector(spec, options, errors);
    let completions = opt_int(spec, "completions").unwrap_or_default();
    if text(spec, "completionMode") == "Indexed" && completions > 0 {
        let host = format!("{}-{}", new.name(), completions - 1);
        if !names::is_label(&host) {
            let words = format!("will not able to create pod with invalid DNS label: {host}");
            let metadata = At::root("metadata");
            metadata.child("name").invalid(errors, new.name(), words);
        }
    }
}

/// Whether a job's pods have the labels of today's form.
pub(super) fn has_prefixed_labels(job: &Object) -> bool {
    [JOB_NAME, CONTROLLER_UID]
        .iter()
        .all(|label| job.at(&["spec", "template", "metadata", "labels", label]).is_some())
}

fn generated_selector(job: &Object, prefixed: bool, errors: &mut ErrorList) {
    let spec = part(job, "spec");
    let Some(selector) = spec.get("selector").filter(|_| !flag(spec, "manualSelector")) else { return };
    if job.uid().is_empty() {
        errors.push(Error::required(&path(&["metadata", "uid"]), ""));
    }
    let mut expected = vec![(OLD_CONTROLLER_UID, job.uid()), (OLD_JOB_NAME, job.name())];
    if prefixed {
        expected.extend([(CONTROLLER_UID, job.uid()), (JOB_NAME, job.name())]);
    }
    let labels = sub(sub(sub(spec, "template"), "metadata"), "labels");
    for (label, value) in &expected {
        has_label(labels, label, value, errors);
    }
    let expected: Value =
        expected.into_iter().map(|(label, value)| (label.to_owned(), json!(value))).collect();
    if selects(Some(selector), Some(&expected)) == Some(false) {
        let at = At::root("spec");
        let shown = internal("*LabelSelector", selector);
        at.child("selector").invalid(errors, shown, "`selector` not auto-generated");
    }
}

fn has_label(labels: &Value, label: &str, expected: &str, errors: &mut ErrorList) {
    let at = path(&["spec", "template", "metadata", "labels"]).key(label);
    let words = format!("must be '{expected}'");
    match labels.get(label).and_then(Value::as_str) {
        None => errors.push(Error::required(&at, words)),
        Some(value) if value != expected => errors.push(Error::invalid(&at, labels, words)),
        Some(_) => {}
    }
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    if old.is_some_and(|old| old.generation() == new.generation()) {
        return Vec::new();
    }
    let mut warnings = if old.is_none() { name_warnings(new) } else { Vec::new() };
    let spec = At::root("spec");
    warnings.extend(spec_warnings(part(new, "spec"), old.map(|old| part(old, "spec")), spec));
    warnings
}

/// Warnings about a job's spec, wherever it stands.
pub(super) fn spec_warnings(spec: &Value, old: Option<&Value>, at: At<'_>) -> Vec<String> {
    let number = |field| opt_int(spec, field).unwrap_or_default();
    let mut warnings = Vec::new();
    if text(spec, "completionMode") == "Indexed"
        && number("completions") > 100_000
        && number("parallelism") > 10_000
    {
        let words = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than \
                     10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
        warnings.push(format!("{}: {words}", at.to_path()));
    }
    let template = sub(spec, "template");
    warnings.extend(pod::template_warnings(
        template,
        old.map(|old| sub(old, "template")),
        at.child("template"),
    ));
    warnings
}
