//! Environment variables and where their values come from.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, items, optional_name, quantity, required_name, text};
use super::super::super::meta;
use super::volume::no_back_steps;

const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields of a pod that anything downward may name; which of them is allowed depends on the place.
const KNOWN_FIELDS: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTE_DIVISORS: [&str; 13] =
    ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// The list of variables.
pub(super) fn variables(container: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, variable) in items(container, "env").iter().enumerate() {
        let here = at.index(i);
        required_name(variable, "name", names::relaxed_env_var_name, &here, errors);
        if let Some(source) = variable.get("valueFrom") {
            let has_value = !text(variable, "value").is_empty();
            value_from(source, has_value, here.child("valueFrom"), errors);
        }
    }
}

/// The config maps and secrets all of whose keys become variables.
pub(super) fn sources(container: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, source) in items(container, "envFrom").iter().enumerate() {
        let here = at.index(i);
        optional_name(source, "prefix", names::relaxed_env_var_name, &here, errors);
        let mut found = 0;
        for field in ["configMapRef", "secretRef"] {
            let Some(reference) = source.get(field) else { continue };
            found += 1;
            let here = here.child(field);
            match text(reference, "name") {
                "" => here.child("name").required(errors, ""),
                name => here.child("name").messages(errors, name, meta::dns_subdomain(name, true)),
            }
        }
        match found {
            0 => at.invalid(errors, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => at.invalid(errors, "", "may not have more than one field specified at a time"),
        }
    }
}

fn value_from(source: &Value, has_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let mut found = 0;
    let mut part = |field| source.get(field).inspect(|_| found += 1);
    if let Some(field) = part("fieldRef") {
        field_selector(field, &ENV_FIELDS, at.child("fieldRef"), errors);
    }
    if let Some(resource) = part("resourceFieldRef") {
        resource_selector(resource, false, at.child("resourceFieldRef"), errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(key) = part(name) {
            key_selector(key, &at.child(name), errors);
        }
    }
    if let Some(file) = part("fileKeyRef") {
        file_selector(file, &at.child("fileKeyRef"), errors);
    }
    let words = match found {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    at.invalid(errors, "", words);
}

/// A field of the pod shown in a file of a volume.
pub(super) fn volume_field(field: &Value, at: At<'_>, errors: &mut ErrorList) {
    field_selector(field, &VOLUME_FIELDS, at, errors);
}

fn field_selector(selector: &Value, allowed: &[&str], at: At<'_>, errors: &mut ErrorList) {
    let (version, path) = (text(selector, "apiVersion"), text(selector, "fieldPath"));
    for (field, value) in [("apiVersion", version), ("fieldPath", path)] {
        if value.is_empty() {
            at.child(field).required(errors, "");
            return;
        }
    }
    if let Some(why) = unknown_field(version, path) {
        at.child("fieldPath").invalid(errors, path, format!("error converting fieldPath: {why}"));
        return;
    }
    let path = if path == "spec.host" { "spec.nodeName" } else { path };
    match subscript(path) {
        Some(("metadata.annotations", key)) => at.rule(errors, &key.to_lowercase(), names::qualified_name),
        Some(("metadata.labels", key)) => at.rule(errors, key, names::qualified_name),
        Some((path, _)) => at.invalid(errors, path, "does not support subscript"),
        None if !allowed.contains(&path) => at.child("fieldPath").not_supported(errors, path, allowed),
        None => {}
    }
}

fn unknown_field(version: &str, path: &str) -> Option<String> {
    if version != "v1" {
        return Some(format!("unsupported pod version: {version}"));
    }
    match subscript(path) {
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some(_) => Some(format!("field label does not support subscript: {path}")),
        None if KNOWN_FIELDS.contains(&path) => None,
        None => Some(format!("field label not supported: {path}")),
    }
}

/// `path['key']` cut in two.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (head, key) = path.strip_suffix("']")?.split_once("['")?;
    (!head.is_empty()).then_some((head, key))
}

/// A resource of a container shown in a variable or file.
pub(super) fn resource_selector(selector: &Value, volume: bool, at: At<'_>, errors: &mut ErrorList) {
    let resource = text(selector, "resource");
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if volume && text(selector, "containerName").is_empty() {
        at.child("containerName").required(errors, "");
    } else if resource.is_empty() {
        at.child("resource").required(errors, "");
    } else if !RESOURCES.contains(&resource) && !huge {
        at.child("resource").not_supported(errors, resource, &RESOURCES);
    }
    let divisor = text(selector, "divisor");
    if divisor.is_empty() || quantity(divisor).is_zero() {
        return;
    }
    let bytes = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";
    let (fits, words) = match resource {
        "limits.cpu" | "requests.cpu" => {
            let words = "only divisor's values 1m and 1 are supported with the cpu resource".to_owned();
            (["1m", "1"].contains(&divisor), words)
        }
        _ => {
            let what = match resource {
                "limits.memory" | "requests.memory" => "memory",
                "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
                _ if huge => "hugepages",
                _ => return,
            };
            let words = format!("only divisor's values {bytes} are supported with the {what} resource");
            (BYTE_DIVISORS.contains(&divisor), words)
        }
    };
    if !fits {
        at.child("divisor").invalid(errors, resource, words);
    }
}

fn key_selector(selector: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("name").rule(errors, text(selector, "name"), names::dns1123_subdomain);
    required_name(selector, "key", names::config_map_key, at, errors);
}

fn file_selector(selector: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_name(selector, "key", names::relaxed_env_var_name, at, errors);
    required_name(selector, "volumeName", names::dns1123_label, at, errors);
    match text(selector, "path") {
        "" => at.child("path").required(errors, ""),
        path => no_back_steps(path, at.child("path"), errors),
    }
}
