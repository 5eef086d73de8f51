//! JSON data read through a shape.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::{List, Map, Text, Val};
use crate::error::Fault;
use crate::library::time;
use crate::shape::{Kind, Shape};

/// A value of the data as its shape tells to read it.
pub(crate) fn read<'v>(json: &'v Json, shape: &'v Shape) -> Result<Val<'v>, Fault> {
    if matches!(shape.kind, Kind::Dyn) {
        return Ok(natural(json, shape));
    }
    if json.is_null() {
        let message = "invalid data, got null for schema with nullable=false";
        return if shape.nullable { Ok(Val::Null) } else { Err(Fault::new(message)) };
    }
    match (&shape.kind, json) {
        (Kind::Object(_) | Kind::Map(_), Json::Object(object)) => Ok(Val::Map(Map::Json(object, shape))),
        (Kind::Object(_) | Kind::Map(_), _) => {
            Err(Fault::new("invalid data, expected a map for the provided schema with type=object"))
        }
        (Kind::List(..), Json::Array(items)) => Ok(Val::List(List::Json(items, shape))),
        (Kind::List(..), _) => {
            Err(Fault::new("invalid data, expected an array for the provided schema with type=array"))
        }
        (Kind::Bool, Json::Bool(value)) => Ok(Val::Bool(*value)),
        (Kind::Bool, other) => Err(unexpected("bool", other)),
        (Kind::Int, other) => other.as_i64().map(Val::Int).ok_or_else(|| unexpected("int", other)),
        (Kind::Double, other) => other.as_f64().map(Val::Double).ok_or_else(|| unexpected("float", other)),
        (Kind::IntOrString, Json::String(text)) => Ok(Val::String(Text::Borrowed(text))),
        (Kind::IntOrString, other) => other.as_i64().map(Val::Int).ok_or_else(|| {
            Fault::new("invalid data, expected XIntOrString value to be either a string or integer")
        }),
        (Kind::Hidden | Kind::Dyn, other) => Ok(Val::Hidden(other)),
        (kind, Json::String(text)) => formatted(kind, text),
        (_, other) => Err(unexpected("string", other)),
    }
}

/// What a value is by itself.
fn natural<'v>(json: &'v Json, shape: &'v Shape) -> Val<'v> {
    match json {
        Json::Null => Val::Null,
        Json::Bool(value) => Val::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Val::Int(value),
            (None, Some(value)) => Val::Uint(value),
            (None, None) => Val::Double(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Val::String(Text::Borrowed(text)),
        Json::Array(items) => Val::List(List::Json(items, shape)),
        Json::Object(object) => Val::Map(Map::Json(object, shape)),
    }
}

/// Text that its format makes something else.
fn formatted<'v>(kind: &Kind, text: &'v str) -> Result<Val<'v>, Fault> {
    match kind {
        Kind::Bytes => match STANDARD.decode(text) {
            Ok(bytes) => Ok(Val::Bytes(bytes.into())),
            Err(error) => Err(Fault::new(format!("Invalid byte formatted string {text}: {error}"))),
        },
        Kind::Duration => time::lenient_duration(text).map(Val::Duration).ok_or_else(|| {
            Fault::new(format!("Invalid duration {text}: unable to parse {text} as duration"))
        }),
        Kind::Date => time::date(text).map(Val::Timestamp).ok_or_else(|| {
            Fault::new(format!("Invalid date formatted string {text}: cannot parse \"{text}\""))
        }),
        Kind::DateTime => time::lenient_timestamp(text).map(Val::Timestamp).ok_or_else(|| {
            Fault::new(format!("Invalid date-time formatted string {text}: cannot parse \"{text}\""))
        }),
        _ => Ok(Val::String(Text::Borrowed(text))),
    }
}

fn unexpected(wanted: &str, found: &Json) -> Fault {
    let found = match found {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_i64() => "int64",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    };
    Fault::new(format!("invalid data, expected {wanted}, got {found}"))
}
