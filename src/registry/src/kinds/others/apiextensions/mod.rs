//! Custom resource definitions.
//!
//! Upstream holds what all versions have in common once, above the versions, and tells mistakes there:
//! a definition whose versions share one schema has its mistakes at `spec.validation`.

mod approval;
mod columns;
mod definition;

use portcullis_api::{Object, Value};
use portcullis_schema::custom::unrecognized_formats;
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
    .warns(unrecognized)
    .needs_version();

static STATUS: Status = Status::new(definition::status).needs_version();

/// Formats that mean nothing here; those that were there before are forgiven.
fn unrecognized(new: &Object, old: Option<&Object>) -> Vec<String> {
    let before = old.map(formats).unwrap_or_default();
    let fresh = formats(new).into_iter().filter(|format| !before.contains(format));
    fresh.map(|format| format!("unrecognized format {}", json!(format))).collect()
}

fn formats(definition: &Object) -> Vec<&str> {
    let versions = items(part(definition, "spec"), "versions").iter();
    let schemas = versions.filter_map(|version| version.pointer("/schema/openAPIV3Schema"));
    schemas.flat_map(unrecognized_formats).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(format: &str) -> Object {
        let schema =
            json!({ "type": "object", "properties": { "a": { "type": "string", "format": format } } });
        let tree =
            json!({ "spec": { "versions": [{ "name": "v1", "schema": { "openAPIV3Schema": schema } }] } });
        Object::new(tree.as_object().unwrap().clone())
    }

    #[test]
    fn formats_that_mean_nothing_are_warned_of_once() {
        let (odd, odder) = (definition("odd"), definition("odder"));
        assert_eq!(unrecognized(&odd, None), ["unrecognized format \"odd\""]);
        assert_eq!(unrecognized(&odder, Some(&odd)), ["unrecognized format \"odder\""]);
        assert!(unrecognized(&odd, Some(&odd)).is_empty());
        assert!(unrecognized(&definition("date"), None).is_empty());
    }
}
