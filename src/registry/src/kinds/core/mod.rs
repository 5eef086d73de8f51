//! The kinds of the core group.

pub(crate) mod claim;
mod config_map;
mod diff;
mod endpoints;
pub(crate) mod event;
mod limit_range;
mod namespace;
mod node;
pub(crate) mod node_labels;
pub(crate) mod pod;
mod pod_template;
mod quota;
mod replication_controller;
mod secret;
pub(crate) mod service;
mod service_account;
pub(crate) mod source;
mod volume;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

pub(crate) use diff::internal;
pub(crate) use pod_template::drop_unserved;

use super::Row;
use super::check::{At, quantity};

/// A row for each resource and subresource of the core group that has behaviour.
pub(crate) const STRATEGIES: &[Row] = &[
    ("", "bindings", "", &pod::BindingStrategy),
    ("", "configmaps", "", &config_map::ConfigMaps),
    ("", "endpoints", "", &endpoints::Endpoints),
    ("", "events", "", &event::Events),
    ("", "limitranges", "", &limit_range::LimitRanges),
    ("", "namespaces", "", &namespace::Namespaces),
    ("", "namespaces", "finalize", &namespace::NamespaceFinalize),
    ("", "namespaces", "status", &namespace::NamespaceStatus),
    ("", "nodes", "", &node::Nodes),
    ("", "nodes", "status", &node::NodeStatus),
    ("", "persistentvolumeclaims", "", &claim::Claims),
    ("", "persistentvolumeclaims", "status", &claim::ClaimStatus),
    ("", "persistentvolumes", "", &volume::Volumes),
    ("", "persistentvolumes", "status", &volume::VolumeStatus),
    ("", "pods", "", &pod::POD),
    ("", "pods", "binding", &pod::BindingStrategy),
    ("", "pods", "ephemeralcontainers", &pod::EPHEMERAL),
    ("", "pods", "resize", &pod::RESIZE),
    ("", "pods", "status", &pod::STATUS),
    ("", "podtemplates", "", &pod_template::PodTemplates),
    ("", "replicationcontrollers", "", &replication_controller::ReplicationControllers),
    ("", "replicationcontrollers", "status", &replication_controller::ReplicationControllerStatus),
    ("", "resourcequotas", "", &quota::ResourceQuotas),
    ("", "resourcequotas", "status", &quota::ResourceQuotaStatus),
    ("", "secrets", "", &secret::Secrets),
    ("", "services", "", &service::Services),
    ("", "services", "status", &service::ServiceStatus),
    ("", "serviceaccounts", "", &service_account::ServiceAccounts),
];

/// The spec of an object; null where there is none.
pub(super) fn spec(object: &Object) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

/// The status of an object; null where there is none.
pub(super) fn status(object: &Object) -> &Value {
    object.get("status").unwrap_or(&Value::Null)
}

/// Makes a field what it was.
pub(super) fn keep(new: &mut Object, old: &Object, field: &str) {
    match old.get(field) {
        Some(value) => new.map_mut().insert(field.to_owned(), value.clone()),
        None => new.map_mut().remove(field),
    };
}

/// Makes the metadata that a subresource cannot change what it was.
pub(super) fn keep_metadata(new: &mut Object, old: &Object) {
    let Some(before) = old.metadata() else { return };
    for field in [
        "deletionTimestamp",
        "generation",
        "selfLink",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
    ] {
        match before.get(field) {
            Some(value) => new.metadata_mut().insert(field.to_owned(), value.clone()),
            None => new.metadata_mut().remove(field),
        };
    }
}

/// Raises the generation when the spec changed.
pub(super) fn raise_generation(new: &mut Object, old: &Object) {
    if new.get("spec") != old.get("spec") {
        let next = old.generation() + 1;
        new.metadata_mut().insert("generation".into(), next.into());
    }
}

/// An amount must not be negative.
pub(super) fn basic_amount(amount: &str, at: At<'_>, errors: &mut ErrorList) {
    let value = quantity(amount).value();
    if value < 0 {
        at.invalid(errors, value, "must be a valid resource quantity");
    }
}

#[cfg(test)]
mod tests;
