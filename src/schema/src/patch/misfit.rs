//! What is said of a strategic patch's result that does not fit the types. Upstream turns that result into
//! a typed object without going through JSON text, so the words are not those of a decoder.

use portcullis_api::Value;
use serde_json::Map;

use crate::types::{StructId, Type, types};

/// The words for the first value that fits no field; none where only a decoder of the value's own objects.
pub(super) fn first(of: StructId, tree: &Map<String, Value>) -> Option<String> {
    let schema = types().get(of);
    tree.iter().find_map(|(key, value)| {
        let field = schema.field(key)?;
        misfit(&field.ty, field.go, value)
    })
}

/// `go` is Go's name of the type. The depth is bounded: the types limit it, or a decoder reads on.
fn misfit(ty: &Type, go: &'static str, value: &Value) -> Option<String> {
    let source = kind(value);
    match (ty, value) {
        (_, Value::Null) => None,
        (Type::Struct(id), Value::Object(members)) => first(*id, members),
        (Type::Map(of), Value::Object(members)) => {
            members.values().find_map(|value| misfit(of, types().go_element(go), value))
        }
        (Type::List(of), Value::Array(items)) => {
            items.iter().find_map(|item| misfit(of, types().go_element(go), item))
        }
        (Type::Struct(_), _) => Some(format!("cannot restore struct from: {source}")),
        (Type::Map(_), _) => Some(format!("cannot restore map from {source}")),
        (Type::Bytes, Value::String(_)) => None,
        (Type::List(_) | Type::Bytes, _) => Some(format!("cannot restore slice from {source}")),
        (Type::String, _) => simple(source, "string", (source == "int64").then_some(go)),
        (Type::Bool, _) => simple(source, "bool", None),
        (Type::Int32 | Type::Int64, Value::Number(_)) => {
            (source == "float64").then(|| format!("cannot convert float64 to {go}"))
        }
        (Type::Int32, _) => simple(source, "int32", None),
        (Type::Int64, _) => simple(source, "int64", None),
        (Type::Float64, Value::Number(_)) => None,
        (Type::Float64, _) => simple(source, "float64", None),
        _ => None,
    }
}

/// A value for a simple type. `convertible` names a type that Go could convert it to, but JSON may not.
fn simple(source: &str, wanted: &str, convertible: Option<&str>) -> Option<String> {
    match convertible {
        _ if source == wanted => None,
        Some(go) => Some(format!("cannot convert {source} to {go}")),
        None => Some(format!("unrecognized type: {wanted}")),
    }
}

/// Go's kind of an untyped value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() || number.is_u64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}
