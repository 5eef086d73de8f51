//! Looking into the JSON of a schema.

use portcullis_api::{Map, Value};

/// The text in a field; empty where there is none.
pub(super) fn text<'v>(schema: &'v Value, field: &str) -> &'v str {
    schema.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a field is true.
pub(super) fn flag(schema: &Value, field: &str) -> bool {
    schema.get(field) == Some(&Value::Bool(true))
}

/// The list in a field; empty where there is none.
pub(super) fn list<'v>(schema: &'v Value, field: &str) -> &'v [Value] {
    schema.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts in a list.
pub(super) fn texts<'v>(schema: &'v Value, field: &str) -> impl Iterator<Item = &'v str> {
    list(schema, field).iter().filter_map(Value::as_str)
}

/// The schemas in a map, sorted by name.
pub(super) fn entries<'v>(schema: &'v Value, field: &str) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let map = schema.get(field).and_then(Value::as_object);
    map.into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

/// A field that is there and not null.
pub(super) fn there<'v>(schema: &'v Value, field: &str) -> Option<&'v Value> {
    schema.get(field).filter(|value| !value.is_null())
}

/// The schema in a field; `None` also where something simpler stands instead.
pub(super) fn schema<'v>(schema: &'v Value, field: &str) -> Option<&'v Value> {
    schema.get(field).filter(|value| value.is_object())
}

/// The schema of a property.
pub(super) fn property<'v>(schema: &'v Value, name: &str) -> Option<&'v Value> {
    schema.get("properties")?.get(name)
}
