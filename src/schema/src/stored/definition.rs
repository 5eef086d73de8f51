//! Definitions of custom resources in `v1beta1`, which upstream's servers still store: what versions have in
//! common stands once beside them.

use std::borrow::Cow;

use portcullis_api::{Map, Value};
use serde::Deserialize;
use serde_json::json;

const OLD: &str = "apiextensions.k8s.io/v1beta1";
const NEW: &str = "apiextensions.k8s.io/v1";

/// Members of the spec that moved into each version, with their names there.
const COMMON: [(&str, &str); 4] = [
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
    ("subresources", "subresources"),
    ("validation", "schema"),
];

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "apiVersion", borrow)]
    api_version: Cow<'a, str>,
}

/// Whether a stored definition is one. It is only looked over: most are not.
pub(super) fn is_old(stored: &[u8]) -> bool {
    serde_json::from_slice::<Head<'_>>(stored).is_ok_and(|head| head.api_version == OLD)
}

/// The same definition in `v1`.
pub(super) fn upgraded(mut map: Map<String, Value>) -> Map<String, Value> {
    map.insert("apiVersion".to_owned(), NEW.into());
    if let Some(Value::Object(spec)) = map.get_mut("spec") {
        name_versions(spec);
        share(spec);
        for version in versions(spec) {
            rename_paths(version);
        }
        move_webhook(spec);
        spec.entry("preserveUnknownFields").or_insert(Value::Bool(true));
    }
    map
}

/// A definition of old names one version and lists none.
fn name_versions(spec: &mut Map<String, Value>) {
    let Some(version) = spec.remove("version") else { return };
    if spec.get("versions").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let only = json!([{ "name": version, "served": true, "storage": true }]);
        spec.insert("versions".to_owned(), only);
    }
}

/// Gives each version what all have in common.
fn share(spec: &mut Map<String, Value>) {
    for (common, own) in COMMON {
        let Some(value) = spec.remove(common).filter(|value| !value.is_null()) else { continue };
        for version in versions(spec) {
            version.insert(own.to_owned(), value.clone());
        }
    }
}

fn versions(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let list = spec.get_mut("versions").and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Columns had their paths under another name.
fn rename_paths(version: &mut Map<String, Value>) {
    let columns = version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut);
    for column in columns.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(path) = column.remove("JSONPath") {
            column.insert("jsonPath".to_owned(), path);
        }
    }
}

/// What a conversion needs to know of its webhook stands in a member of its own.
fn move_webhook(spec: &mut Map<String, Value>) {
    let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) else { return };
    let client = conversion.remove("webhookClientConfig");
    let mut reviews = conversion.remove("conversionReviewVersions");
    if conversion.get("strategy").and_then(Value::as_str) == Some("Webhook") {
        reviews = reviews.or_else(|| Some(json!(["v1beta1"])));
    }
    let named = [("clientConfig", client), ("conversionReviewVersions", reviews)];
    let webhook: Map<String, Value> =
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if !webhook.is_empty() {
        conversion.insert("webhook".to_owned(), Value::Object(webhook));
    }
}
