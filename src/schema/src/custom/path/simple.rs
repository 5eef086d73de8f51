//! Dotted paths: `.spec.replicas`.

use portcullis_api::{Object, Value};

use crate::managed::{go_plain, go_type};

/// The whole number at a dotted path; `None` where there is nothing, an error in upstream's words where
/// there is something else.
pub fn int_at(object: &Object, path: &str) -> Result<Option<i64>, String> {
    let Some(value) = at(object, path)? else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| unfit(path.trim_start_matches('.'), value, "int64"))
}

/// The text at a dotted path.
pub fn text_at<'v>(object: &'v Object, path: &str) -> Result<Option<&'v str>, String> {
    let Some(value) = at(object, path)? else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| unfit(path.trim_start_matches('.'), value, "string"))
}

fn at<'v>(object: &'v Object, path: &str) -> Result<Option<&'v Value>, String> {
    let path = path.strip_prefix('.').unwrap_or(path);
    let mut steps = path.split('.');
    let Some(mut value) = steps.next().and_then(|first| object.get(first)) else { return Ok(None) };
    let mut length = path.find('.').unwrap_or(path.len());
    for step in steps {
        length += 1 + step.len();
        value = match value {
            Value::Null => return Ok(None),
            Value::Object(members) => match members.get(step) {
                Some(value) => value,
                None => return Ok(None),
            },
            other => {
                return Err(unfit(path.get(..length).unwrap_or(path), other, "map[string]interface{}"));
            }
        };
    }
    Ok(Some(value))
}

fn unfit(path: &str, value: &Value, wanted: &str) -> String {
    format!(
        ".{path} accessor error: {} is of the type {}, expected {wanted}",
        go_plain(value),
        go_type(value)
    )
}
