//! What Go writes for nil, zero and empty.

use serde_json::{Map, Value};

use super::empties::stays;
use crate::types::{Field, Struct, Type, types};

/// What a field shows of a value that was read; none if Go leaves it out. `None` is nil or zero.
pub(super) fn shown(field: &Field, value: Option<Value>) -> Option<Value> {
    match value {
        Some(value) if field.pointer || !is_empty(&field.ty, &value) => Some(value),
        // What was sent empty is owned by who sent it; it becomes nil when it is stored.
        Some(value) if stays(field) && !value.is_null() => Some(value),
        // An empty list of owners is a wish: it is taken out again where owners are kept.
        Some(Value::Array(owners)) if field.go == "[]v1.ManagedFieldsEntry" => Some(Value::Array(owners)),
        _ => field.shown_when_absent().then(|| zero_field(field)),
    }
}

/// What a field shows that was not given, where Go shows one.
pub(super) fn zero_field(field: &Field) -> Value {
    match (&field.ty, field.pointer) {
        (_, true) | (Type::List(_) | Type::Map(_) | Type::Bytes, _) => Value::Null,
        (ty, false) => zero_value(ty),
    }
}

/// What Go writes for the zero of a type as an item of a list or map. Times and raw values have no zero
/// but `null`; a list in a list or map is written empty once it was stored.
pub(super) fn zero_value(ty: &Type) -> Value {
    match ty {
        Type::String | Type::Bytes => Value::String(String::new()),
        Type::Bool => Value::Bool(false),
        Type::Int32 | Type::Int64 | Type::IntOrString => Value::from(0),
        Type::Float64 => Value::from(0),
        Type::Quantity => Value::from("0"),
        Type::Duration => Value::from("0s"),
        Type::SchemaOrBool => Value::Bool(false),
        Type::Time | Type::MicroTime | Type::RawObject | Type::Json | Type::FieldsV1 => Value::Null,
        Type::SchemaOrArray | Type::SchemaOrStrings | Type::List(_) | Type::Map(_) => Value::Null,
        Type::Struct(id) => Value::Object(zero_struct(types().get(*id))),
    }
}

fn zero_struct(schema: &Struct) -> Map<String, Value> {
    let shown = schema.fields.iter().filter(|field| field.shown_when_absent());
    shown.map(|field| (field.json.to_owned(), zero_field(field))).collect()
}

/// Whether a value of a field without a pointer is what `omitempty` leaves out.
fn is_empty(ty: &Type, value: &Value) -> bool {
    match (ty, value) {
        (Type::Struct(_), _) => false,
        (Type::RawObject | Type::Json | Type::FieldsV1, value) => value.is_null(),
        (Type::IntOrString | Type::Quantity | Type::Duration, _) => false,
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Bool(value)) => !value,
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        (_, Value::Array(items)) => items.is_empty(),
        (_, Value::Object(map)) => map.is_empty(),
        (_, Value::Null) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Omit;

    #[test]
    fn omitzero_is_only_for_times() {
        let fields = types().structs().flat_map(|(_, schema)| &schema.fields);
        let mut omitted = fields.filter(|field| field.omit == Omit::Zero);
        assert!(omitted.all(|field| field.ty == Type::Time));
    }
}
