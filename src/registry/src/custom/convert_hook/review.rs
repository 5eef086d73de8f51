//! `ConversionReview`: what is asked, and what the answer may hold.

use bytes::Bytes;
use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Map, Object, Value};
use portcullis_outbound::{CONVERSION_REVIEW, ReviewVersion};

use crate::kinds::check::At;
use crate::kinds::meta;

/// About how many bytes of JSON an object has.
pub(super) fn size(object: &Object) -> usize {
    object.map().iter().map(|(key, value)| key.len().saturating_add(size_of(value))).sum()
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len().saturating_add(3),
        Value::Array(items) => items.iter().map(|item| size_of(item).saturating_add(1)).sum::<usize>() + 2,
        Value::Object(map) => {
            map.iter().map(|(key, value)| key.len().saturating_add(size_of(value)) + 4).sum::<usize>() + 2
        }
    }
}

/// The body of a question.
pub(super) fn question(objects: &[&Object], to: &str, version: ReviewVersion, uid: &str) -> Bytes {
    let objects: Vec<&Map<String, Value>> = objects.iter().map(|object| object.map()).collect();
    let request = serde_json::json!({ "uid": uid, "desiredAPIVersion": to, "objects": objects });
    CONVERSION_REVIEW.question(version, request)
}

/// Which object of an answer is spoken of; upstream has other words for one alone.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Alone,
    Of(usize),
}

impl Place {
    fn typed(self, why: &str) -> String {
        match self {
            Self::Alone => format!("object at index 0: {why}"),
            Self::Of(index) => format!("converted object at index {index}: {why}"),
        }
    }

    fn identity(self, why: &str) -> String {
        match self {
            Self::Alone => format!("object: {why}"),
            Self::Of(index) => format!("converted object at index {index}: {why}"),
        }
    }

    fn metadata(self, why: &str) -> String {
        match self {
            Self::Alone => format!("metadata: {why}"),
            Self::Of(index) => format!("metadata in object at index {index}: {why}"),
        }
    }
}

/// The converted object with the metadata of the one it was made from.
///
/// # Errors
/// What it must not be, as it goes on after `returned invalid `.
pub(super) fn check(original: &Object, converted: Value, to: &str, place: Place) -> Result<Object, String> {
    let Value::Object(map) = converted else { return Err(place.identity("it is no object")) };
    let mut object = Object::new(map);
    let (version, kind) = (object.api_version(), object.kind());
    if version != to {
        return Err(place.typed(&format!("invalid groupVersion (expected {to}, received {version})")));
    }
    if kind != original.kind() {
        return Err(place.typed(&format!("invalid kind (expected {}, received {kind})", original.kind())));
    }
    for (field, shown) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (was, is) = (original.meta_str(field), object.meta_str(field));
        if was != is {
            return Err(place.identity(&format!("must have the same {shown}: {was} != {is}")));
        }
    }
    let metadata = restored(original, &object).map_err(|why| place.metadata(&why))?;
    object.map_mut().insert("metadata".to_owned(), metadata);
    Ok(object)
}

/// The metadata of the original with the labels and annotations of what was made of it.
fn restored(original: &Object, converted: &Object) -> Result<Value, String> {
    let given = match converted.get("metadata") {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Value::Object(map)) => map,
        Some(other) => {
            return Err(format!("invalid metadata of type {} in converted object", go_type(other)));
        }
    };
    let mut metadata = original.metadata().cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
            }
            Some(Value::Object(map)) => {
                check_texts(field, map)?;
                if metadata.get(field).and_then(Value::as_object) != Some(map) {
                    check_rules(field, map)?;
                }
                metadata.insert(field.to_owned(), Value::Object(map.clone()));
            }
            Some(other) => {
                return Err(format!(
                    "invalid metadata.{field} of type {} in converted object",
                    go_type(other)
                ));
            }
        }
    }
    Ok(metadata.into())
}

fn check_texts(field: &str, map: &Map<String, Value>) -> Result<(), String> {
    match map.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(()),
        Some((key, value)) => {
            let kind = go_type(value);
            Err(format!("metadata.{field}[{key}] must be a string, but is {kind} in converted object"))
        }
    }
}

/// New labels and annotations must be such as a client could have sent.
fn check_rules(field: &str, map: &Map<String, Value>) -> Result<(), String> {
    let mut errors = ErrorList::new();
    let (value, metadata) = (Value::Object(map.clone()), At::root("metadata"));
    match field {
        "labels" => meta::labels(Some(&value), metadata.child("labels"), &mut errors),
        // The path is upstream's.
        _ => meta::annotations(Some(&value), metadata.child("annotation"), &mut errors),
    }
    let texts: Vec<String> = errors.iter().map(Error::to_string).collect();
    match texts.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// What Go calls the type of a decoded value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
