//! Namespaces: created active, deleted in two steps, released by `finalize`.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, names};
use serde_json::json;

use super::super::check::{At, text, texts};
use super::super::meta;
use super::keep;
use crate::strategy::Strategy;

const LABEL: &str = "kubernetes.io/metadata.name";

/// Namespaces.
pub(crate) struct Namespaces;
/// `namespaces/status`.
pub(crate) struct NamespaceStatus;
/// `namespaces/finalize`.
pub(crate) struct NamespaceFinalize;

impl Strategy for Namespaces {
    fn prepare_create(&self, new: &mut Object) {
        new.map_mut().insert("status".into(), json!({"phase": "Active"}));
        let mut finalizers: Vec<String> = texts(super::spec(new), "finalizers").map(str::to_owned).collect();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            finalizers.push("kubernetes".to_owned());
        }
        new.set_at(&["spec", "finalizers"], finalizers.into());
        label(new);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        match old.at(&["spec", "finalizers"]) {
            Some(finalizers) => new.set_at(&["spec", "finalizers"], finalizers.clone()),
            None => {
                new.remove_at(&["spec", "finalizers"]);
            }
        }
        keep(new, old, "status");
        label(new);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, false, meta::dns_label, errors);
        let at = At::root("spec");
        for finalizer in texts(super::spec(new), "finalizers") {
            self::finalizer(finalizer, at.child("finalizers"), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
        meta::object_meta_update(new, old, errors);
    }
}

impl Strategy for NamespaceStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
        label(new);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let phase = text(super::status(new), "phase");
        let (wanted, words) = if new.is_deleting() {
            ("Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty")
        } else {
            ("Active", "may only be 'Active' if `deletionTimestamp` is empty")
        };
        if phase != wanted {
            let at = At::root("status");
            at.child("Phase").invalid(errors, phase, words);
        }
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

impl Strategy for NamespaceFinalize {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
        label(new);
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let spec = At::root("spec");
        let at = spec.child("finalizers");
        for (i, finalizer) in texts(super::spec(new), "finalizers").enumerate() {
            self::finalizer(finalizer, at.index(i), errors);
        }
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

/// Every namespace carries its name as a label.
fn label(new: &mut Object) {
    let name = Value::from(new.name());
    let labels = new.metadata_mut().entry("labels").or_insert_with(|| Value::Object(Map::new()));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(LABEL.to_owned(), name);
    }
}

fn finalizer(finalizer: &str, at: At<'_>, errors: &mut ErrorList) {
    at.rule(errors, finalizer, names::qualified_name);
    if !finalizer.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer) {
        let words = "name is neither a standard finalizer name nor is it fully qualified";
        at.invalid(errors, finalizer, words);
    }
}
