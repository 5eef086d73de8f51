//! Defaults of jobs and cron jobs.

use portcullis_api::{Map, Object, Value};

use super::super::core::pod_template;
use super::super::tree::{at, child, child_or_new, each, set_empty, set_missing};

type Tree = Map<String, Value>;

pub(super) fn job(object: &mut Object) {
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        job_spec(spec);
        pod_spec(spec);
    }
    labels_of_template(object);
}

pub(super) fn cron_job(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_empty(spec, "concurrencyPolicy", "Allow");
    set_missing(spec, "suspend", false);
    set_missing(spec, "successfulJobsHistoryLimit", 3);
    set_missing(spec, "failedJobsHistoryLimit", 1);
    // The jobs themselves get their defaults when they are made.
    if let Some(job) = child_or_new(spec, "jobTemplate").and_then(|template| child_or_new(template, "spec")) {
        pod_spec(job);
    }
}

fn job_spec(spec: &mut Tree) {
    if !spec.contains_key("parallelism") {
        set_missing(spec, "completions", 1);
        set_missing(spec, "parallelism", 1);
    }
    let per_index = spec.contains_key("backoffLimitPerIndex");
    set_missing(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    set_missing(spec, "completionMode", "NonIndexed");
    set_missing(spec, "suspend", false);
    let policy = spec.contains_key("podFailurePolicy");
    set_missing(spec, "podReplacementPolicy", if policy { "Failed" } else { "TerminatingOrFailed" });
    set_missing(spec, "manualSelector", false);
}

fn pod_spec(job: &mut Tree) {
    if let Some(policy) = child(job, "podFailurePolicy") {
        each(policy, "rules", |rule| {
            each(rule, "onPodConditions", |condition| set_empty(condition, "status", "True"));
        });
    }
    if let Some(template) = child_or_new(job, "template") {
        pod_template(template);
    }
}

/// A job without labels takes those of its pods.
fn labels_of_template(object: &mut Object) {
    if object.labels().next().is_some() {
        return;
    }
    let labels =
        at(object.map_mut(), &["spec", "template", "metadata", "labels"]).map(|labels| labels.clone());
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        object.metadata_mut().insert("labels".into(), labels.into());
    }
}
