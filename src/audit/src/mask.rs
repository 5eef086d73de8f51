//! What no event shows, at any level: credentials inside bodies, and words that may quote them.
//!
//! Bodies of some resources are never recorded (`policy/guard.rs`). In all others a text is masked where
//! its field, or the variable it is the value of, is named like a credential; where an annotation
//! repeats the whole object; and where the object's own annotation says so.

use portcullis_api::{Reason, Value};

use crate::event::Story;

/// An object's own list of fields to mask: dotted paths, `*` for any one name or item.
pub(crate) const ANNOTATION: &str = "audit.portcullis.io/redact";
/// What stands in place of what is masked.
const MASK: &str = "***";
/// Repeats the object, masked fields included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// More nesting than any body that was decoded.
const MAX_DEPTH: usize = 128;
const WORDS: [&str; 8] =
    ["token", "password", "passwd", "secret", "privatekey", "private_key", "apikey", "api_key"];

/// Whether something of this name holds a credential.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Whether a refusal's message or causes may quote the body.
pub(crate) fn may_quote(reason: Reason, story: &Story) -> bool {
    match reason {
        // Admission may quote what it refuses; authorization knows only the request line.
        Reason::Forbidden => story.annotation("authorization.k8s.io/decision") == Some("allow"),
        Reason::Unauthorized
        | Reason::NotFound
        | Reason::AlreadyExists
        | Reason::Gone
        | Reason::Expired
        | Reason::ServerTimeout
        | Reason::Timeout
        | Reason::TooManyRequests
        | Reason::MethodNotAllowed
        | Reason::NotAcceptable
        | Reason::RequestEntityTooLarge
        | Reason::UnsupportedMediaType
        | Reason::ServiceUnavailable => false,
        _ => true,
    }
}

/// The fields that an object's annotation wants masked.
pub(crate) fn wishes(body: &Value) -> Vec<Vec<String>> {
    let text = body.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
    let paths = text.and_then(Value::as_str).unwrap_or_default().split(',').map(str::trim);
    let paths = paths.filter(|path| !path.is_empty());
    paths.map(|path| path.split('.').map(str::to_owned).collect()).collect()
}

/// Masks an object, or each object of a list; drops managed fields on request.
pub(crate) fn mask(body: &mut Value, omit_managed_fields: bool) {
    mask_names(body, MAX_DEPTH);
    mask_object(body, omit_managed_fields);
    for key in ["items", "rows"] {
        let Some(Value::Array(items)) = body.get_mut(key) else { continue };
        for item in items {
            let object = if key == "rows" { item.get_mut("object") } else { Some(item) };
            object.into_iter().for_each(|object| mask_object(object, omit_managed_fields));
        }
    }
}

/// Masks the given fields.
pub(crate) fn mask_paths(body: &mut Value, paths: &[Vec<String>]) {
    for path in paths {
        mask_path(body, path);
    }
}

fn mask_object(object: &mut Value, omit_managed_fields: bool) {
    mask_paths(object, &wishes(object));
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if omit_managed_fields {
        metadata.remove("managedFields");
    }
    if let Some(repeated) = metadata.get_mut("annotations").and_then(|all| all.get_mut(LAST_APPLIED)) {
        *repeated = MASK.into();
    }
}

fn mask_path(value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        *value = MASK.into();
        return;
    };
    let any = first == "*";
    match value {
        Value::Object(map) if any => map.values_mut().for_each(|inner| mask_path(inner, rest)),
        Value::Object(map) => map.get_mut(first).into_iter().for_each(|inner| mask_path(inner, rest)),
        Value::Array(items) if any => items.iter_mut().for_each(|inner| mask_path(inner, rest)),
        Value::Array(items) => {
            let item = first.parse().ok().and_then(|index: usize| items.get_mut(index));
            item.into_iter().for_each(|inner| mask_path(inner, rest));
        }
        _ => {}
    }
}

/// Masks texts by the names of their fields. `{"name": "DB_PASSWORD", "value": …}` names its value, and
/// so does the path of an operation of a JSON patch.
fn mask_names(value: &mut Value, depth: usize) {
    if depth == 0 {
        *value = MASK.into();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask_names(item, depth - 1)),
        Value::Object(map) => {
            let named = ["name", "path"].iter().filter_map(|key| map.get(*key)?.as_str()).any(names_a_secret);
            for (key, inner) in map.iter_mut() {
                let secret = names_a_secret(key) || (named && key == "value");
                if secret && is_credential(key, inner) {
                    *inner = MASK.into();
                } else {
                    mask_names(inner, depth - 1);
                }
            }
        }
        _ => {}
    }
}

/// References to secrets by name are no credentials.
fn is_credential(key: &str, value: &Value) -> bool {
    let refers = ["Name", "Ref", "Namespace", "Policy", "Path", "Kind"].iter().any(|end| key.ends_with(end));
    value.is_string() && !refers
}
