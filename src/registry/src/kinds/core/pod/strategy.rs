//! The behaviour of pods and of the ways to change them.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::super::super::check::{At, items, opt_int, text};
use super::super::super::meta;
use super::super::{diff, keep, keep_metadata};
use super::annotations::{self, MIRROR};
use super::options::Options;
use super::{app_armor, generation, reported, resize, status, update, warnings};
use crate::strategy::Strategy;

/// Pods.
pub(crate) static POD: Pods = Pods;
/// `pods/status`.
pub(crate) static STATUS: PodStatus = PodStatus;
/// `pods/ephemeralcontainers`.
pub(crate) static EPHEMERAL: EphemeralContainers = EphemeralContainers;
/// `pods/resize`.
pub(crate) static RESIZE: Resize = Resize;

pub(crate) struct Pods;
pub(crate) struct PodStatus;
pub(crate) struct EphemeralContainers;
pub(crate) struct Resize;

impl Strategy for Pods {
    fn prepare_create(&self, new: &mut Object) {
        generation::begin(new);
        app_armor::sync(new);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
        generation::raise(new, old);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        update::metadata_and_spec(new, Options::pod(), errors);
        let empty = Value::Null;
        let (metadata, spec) = (new.get("metadata").unwrap_or(&empty), new.get("spec").unwrap_or(&empty));
        let at = At::root("spec");
        if !items(spec, "ephemeralContainers").is_empty() {
            at.child("ephemeralContainers").forbidden(errors, "cannot be set on create");
        }
        if !text(spec, "nodeName").is_empty() && !items(spec, "schedulingGates").is_empty() {
            let words = "cannot be set until all schedulingGates have been cleared";
            at.child("nodeName").forbidden(errors, words);
        }
        annotations::profiles_match(metadata, spec, &at, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        update::pod(new, old, options(old), errors);
    }

    fn early_warnings(&self, sent: &Object) -> Vec<String> {
        let empty = Value::Null;
        let part = |field| sent.get(field).unwrap_or(&empty);
        app_armor::warnings(part("metadata"), part("spec"))
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        if old.is_some() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let messages = names::dns1123_label(new.name());
        if !messages.is_empty() {
            found.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
                messages.join(" ")
            ));
        }
        found.extend(warnings::pod_warnings(new));
        found
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }

    fn grace_period(&self, object: &Object, asked: Option<i64>) -> Option<i64> {
        let empty = Value::Null;
        let spec = object.get("spec").unwrap_or(&empty);
        let ended = matches!(object.str_at(&["status", "phase"]), "Failed" | "Succeeded");
        if text(spec, "nodeName").is_empty() || ended {
            return Some(0);
        }
        let seconds = asked.or_else(|| opt_int(spec, "terminationGracePeriodSeconds")).unwrap_or(0);
        Some(if seconds < 0 { 1 } else { seconds })
    }
}

impl Strategy for PodStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
        new.metadata_mut().remove("deletionTimestamp");
        match old.metadata().and_then(|m| m.get("ownerReferences")).cloned() {
            Some(owners) => new.metadata_mut().insert("ownerReferences".into(), owners),
            None => new.metadata_mut().remove("ownerReferences"),
        };
        if new.str_at(&["status", "qosClass"]).is_empty() {
            let class = old.str_at(&["status", "qosClass"]).to_owned();
            if !class.is_empty() {
                new.set_at(&["status", "qosClass"], class.into());
            }
        }
        reported::drop_unserved(new);
        generation::keep_observed(new, old);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        status::rules(new, old, options(old), errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        warnings::status_warnings(new)
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]
    }
}

impl Strategy for EphemeralContainers {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        let wanted = new.at(&["spec", "ephemeralContainers"]).cloned();
        keep(new, old, "spec");
        keep(new, old, "status");
        keep_metadata(new, old);
        match wanted {
            Some(list) => new.set_at(&["spec", "ephemeralContainers"], list),
            None => {
                new.remove_at(&["spec", "ephemeralContainers"]);
            }
        }
        generation::raise(new, old);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if old.annotations().any(|(key, _)| key == MIRROR) {
            At::whole().forbidden(errors, "static pods do not support ephemeral containers");
            return;
        }
        meta::object_meta_update(new, old, errors);
        update::metadata_and_spec(new, options(old), errors);
        update::annotation_changes(new, old, options(old), errors);
        ephemeral_kept(new, old, errors);
    }
}

/// Ephemeral containers are only ever added.
fn ephemeral_kept(new: &Object, old: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let list = |pod: &'_ Object| items(pod.get("spec").unwrap_or(&empty), "ephemeralContainers").to_vec();
    let spec = At::root("spec");
    let at = spec.child("ephemeralContainers");
    let now = list(new);
    for before in list(old) {
        let name = text(&before, "name");
        match now.iter().find(|container| text(container, "name") == name) {
            None => {
                at.forbidden(
                    errors,
                    format!("existing ephemeral containers \"{name}\" may not be removed\n"),
                );
            }
            Some(after) if *after != before => {
                let difference = diff::diff("EphemeralContainer", &before, after);
                let words =
                    format!("existing ephemeral containers \"{name}\" may not be changed\n{difference}");
                at.forbidden(errors, words);
            }
            Some(_) => {}
        }
    }
}

impl Strategy for Resize {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        resize::prepare(new, old);
        generation::raise(new, old);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        resize::rules(new, old, options(old), errors);
    }
}

fn options(old: &Object) -> Options {
    Options::pod().keeping(old.get("spec"))
}
