//! Defaults of custom resource definitions.

use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::super::tree::{at, child_or_new, set_empty, set_missing, str_of};

pub(super) fn custom_resource_definition(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    if let Some(names) = child_or_new(spec, "names") {
        kind_names(names);
    }
    set_missing(spec, "conversion", json!({ "strategy": "None" }));
    if let Some(service) = at(spec, &["conversion", "webhook", "clientConfig", "service"]) {
        set_missing(service, "port", 443);
    }
    let stored = stored_version(spec);
    let Some(status) = child_or_new(object.map_mut(), "status") else { return };
    let has_versions = status.get("storedVersions").and_then(Value::as_array).is_some_and(|v| !v.is_empty());
    if let (false, Some(version)) = (has_versions, stored) {
        status.insert("storedVersions".into(), vec![version].into());
    }
}

fn kind_names(names: &mut Map<String, Value>) {
    let kind = str_of(names, "kind").to_owned();
    if kind.is_empty() {
        return;
    }
    set_empty(names, "singular", &kind.to_lowercase());
    set_empty(names, "listKind", &format!("{kind}List"));
}

/// The name of the version that is stored, to be remembered in the status.
fn stored_version(spec: &Map<String, Value>) -> Option<String> {
    let versions = spec.get("versions")?.as_array()?;
    let stored = versions.iter().find(|version| version.get("storage") == Some(&Value::Bool(true)))?;
    Some(stored.get("name")?.as_str()?.to_owned())
}
