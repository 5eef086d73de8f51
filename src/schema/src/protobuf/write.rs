//! Trees become messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::{Map, Value};

use super::special;
use super::wire::Writer;
use crate::types::{Field, Struct, Type, types};

/// Writes the members of a struct into its message.
pub(super) fn members(writer: &mut Writer, schema: &Struct, map: &Map<String, Value>) {
    inlined(writer, schema, map, &[]);
}

/// Writes the members that stand in the message at `via`, and the messages inlined below it.
fn inlined(writer: &mut Writer, schema: &Struct, map: &Map<String, Value>, via: &[u8]) {
    let mut done: u64 = 0;
    for field in schema.fields.iter().filter(|field| field.proto.number != 0) {
        match field.proto.path().strip_prefix(via) {
            Some([_]) => {
                if let Some(value) = map.get(field.json) {
                    member(writer, field, value);
                }
            }
            Some([inner, ..]) if done & (1 << (inner & 63)) == 0 => {
                done |= 1 << (inner & 63);
                let below = [via, &[*inner]].concat();
                writer.message(*inner, |writer| inlined(writer, schema, map, &below));
            }
            _ => {}
        }
    }
}

fn member(writer: &mut Writer, field: &Field, value: &Value) {
    let number = field.proto.number;
    match (&field.ty, value) {
        (_, Value::Null) => {}
        (Type::List(of), Value::Array(items)) => items.iter().for_each(|item| one(writer, number, of, item)),
        (Type::Map(of), Value::Object(map)) => {
            for (key, value) in map {
                writer.message(number, |entry| {
                    entry.bytes(1, key.as_bytes());
                    one(entry, 2, of, value);
                });
            }
        }
        (ty, value) => one(writer, number, ty, value),
    }
}

/// Writes one value as a field.
pub(super) fn one(writer: &mut Writer, number: u8, ty: &Type, value: &Value) {
    match (ty, value) {
        (Type::String | Type::Duration, Value::String(text)) => writer.bytes(number, text.as_bytes()),
        (Type::Bool, Value::Bool(value)) => writer.varint(number, u64::from(*value)),
        (Type::Int32 | Type::Int64, value) => {
            writer.varint(number, value.as_i64().unwrap_or_default().cast_unsigned());
        }
        (Type::Float64, value) => writer.double(number, value.as_f64().unwrap_or_default()),
        (Type::Bytes, Value::String(text)) => {
            writer.bytes(number, &STANDARD.decode(text).unwrap_or_default())
        }
        (Type::Struct(id), Value::Object(map)) => {
            writer.message(number, |inner| members(inner, types().get(*id), map));
        }
        // A list as the value of a map is a message with one repeated field.
        (Type::List(of), Value::Array(items)) => {
            writer.message(number, |inner| items.iter().for_each(|item| one(inner, 1, of, item)));
        }
        (ty, value) => special::write(writer, number, ty, value),
    }
}
