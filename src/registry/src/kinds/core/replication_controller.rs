//! Replication controllers.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, names};

use super::super::check::{At, entries, filled_map, int, non_negative, opt_int, text};
use super::super::meta;
use super::pod::{self, Options};
use super::pod_template::drop_unserved;
use super::{keep, raise_generation};
use crate::strategy::Strategy;

/// Replication controllers.
pub(crate) struct ReplicationControllers;
/// `replicationcontrollers/status`.
pub(crate) struct ReplicationControllerStatus;

impl Strategy for ReplicationControllers {
    fn prepare_create(&self, new: &mut Object) {
        let mut status = Map::new();
        status.insert("replicas".into(), 0.into());
        new.map_mut().insert("status".into(), Value::Object(status));
        new.metadata_mut().insert("generation".into(), 1.into());
        drop_unserved(new, &["spec", "template"]);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
        drop_unserved(new, &["spec", "template"]);
        raise_generation(new, old);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::long_name, errors);
        spec(super::spec(new), Options::template(), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let options = Options::template().keeping(old.at(&["spec", "template", "spec"]));
        spec(super::spec(new), options, errors);
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        let mut warnings = Vec::new();
        if old.is_none() {
            let messages = names::dns1123_label(new.name());
            if !messages.is_empty() {
                warnings.push(format!(
                    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
                    messages.join(" ")
                ));
            }
        }
        // Upstream warns of the template that is replaced.
        if old.is_none_or(|old| old.generation() != new.generation())
            && let Some(template) = super::spec(old.unwrap_or(new)).get("template")
        {
            let spec = At::root("spec");
            warnings.extend(pod::template_warnings(template, None, spec.child("template")));
        }
        warnings
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }

    fn orphans_by_default(&self) -> bool {
        true
    }
}

impl Strategy for ReplicationControllerStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        status(super::status(new), At::root("status"), errors);
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

fn spec(spec: &Value, options: Options, errors: &mut ErrorList) {
    let at = At::root("spec");
    non_negative(int(spec, "minReadySeconds"), at.child("minReadySeconds"), errors);
    let selector = filled_map(spec, "selector");
    if selector.is_none() {
        at.child("selector").required(errors, "");
    }
    match opt_int(spec, "replicas") {
        None => at.child("replicas").required(errors, ""),
        Some(replicas) => non_negative(replicas, at.child("replicas"), errors),
    }
    let here = at.child("template");
    let Some(template) = spec.get("template") else {
        here.required(errors, "");
        return;
    };
    let labels = template.get("metadata").and_then(|m| m.get("labels"));
    let selected = |(key, value): (&str, &Value)| labels.and_then(|labels| labels.get(key)) == Some(value);
    if selector.is_some() && !entries(spec, "selector").all(selected) {
        let metadata = here.child("metadata");
        metadata.child("labels").invalid(errors, labels, "`selector` does not match template `labels`");
    }
    pod::template(template, here, options, errors);
    let pod_at = here.child("spec");
    let pod_spec = template.get("spec").unwrap_or(&Value::Null);
    let policy = text(pod_spec, "restartPolicy");
    if policy != "Always" {
        pod_at.child("restartPolicy").not_supported(errors, policy, &["Always"]);
    }
    if pod_spec.get("activeDeadlineSeconds").is_some() {
        let words = "activeDeadlineSeconds in ReplicationController is not Supported";
        pod_at.child("activeDeadlineSeconds").forbidden(errors, words);
    }
}

fn status(status: &Value, at: At<'_>, errors: &mut ErrorList) {
    for field in
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]
    {
        non_negative(int(status, field), at.child(field), errors);
    }
    for field in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        if int(status, field) > int(status, "replicas") {
            at.child(field).invalid(errors, int(status, field), "cannot be greater than status.replicas");
        }
    }
    if int(status, "availableReplicas") > int(status, "readyReplicas") {
        let words = "cannot be greater than readyReplicas";
        at.child("availableReplicas").invalid(errors, int(status, "availableReplicas"), words);
    }
}
