//! Custom resource definitions.
//!
//! Upstream holds what all versions have in common once, above the versions, and tells mistakes there:
//! a definition whose versions share one schema has its mistakes at `spec.validation`.

mod approval;
mod columns;
mod definition;

use portcullis_api::{Object, Value};
use serde_json::json;

use super::kind::{Kind, Status};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{flag, items, text};
use crate::kinds::meta;

pub(crate) use approval::approval_condition;

const GROUP: &str = "apiextensions.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "customresourcedefinitions", "", &KIND),
    (GROUP, "customresourcedefinitions", "status", &STATUS),
];

static KIND: Kind = Kind::cluster(meta::dns_subdomain, definition::create)
    .change(definition::update)
    .status(|| json!({ "acceptedNames": { "kind": "", "plural": "" }, "conditions": null, "storedVersions": null }))
    .generation(&["spec"])
    .on_create(remember_stored_version)
    .on_update(|new, _| remember_stored_version(new))
    .warns(|new, _| unenforced(new))
    .needs_version();

static STATUS: Status = Status::new(definition::status).needs_version();

/// What of a definition is stored but has no effect yet.
fn unenforced(definition: &Object) -> Vec<String> {
    let strategy = part(definition, "spec").pointer("/conversion/strategy");
    let webhook = strategy.and_then(Value::as_str) == Some("Webhook");
    Vec::from_iter(webhook.then(|| "portcullis: conversion webhooks are stored, not called".to_owned()))
}

/// The version objects are stored in joins those that ever were.
fn remember_stored_version(definition: &mut Object) {
    let stored = items(part(definition, "spec"), "versions").iter().find(|version| flag(version, "storage"));
    let Some(version) = stored.map(|version| Value::from(text(version, "name"))) else { return };
    let mut known = items(part(definition, "status"), "storedVersions").to_vec();
    if !known.contains(&version) {
        known.push(version);
        definition.set_at(&["status", "storedVersions"], known.into());
    }
}
