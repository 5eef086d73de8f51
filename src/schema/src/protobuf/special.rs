//! Values that are messages of their own kind: times, quantities, raw JSON, schemas or something simpler.

use portcullis_api::{Map, Value};

use super::read::{self, Refusal};
use super::wire::{Field, Reader, Writer};
use super::write;
use crate::moment;
use crate::types::{StructId, Type, types};

const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Writes a special value as a field.
pub(super) fn write(writer: &mut Writer, number: u8, ty: &Type, value: &Value) {
    writer.message(number, |inner| match ty {
        Type::Time | Type::MicroTime => write_time(inner, value),
        Type::Quantity => inner.bytes(1, value.as_str().unwrap_or_default().as_bytes()),
        Type::IntOrString => write_int_or_string(inner, value),
        Type::SchemaOrBool => match value {
            Value::Object(map) => {
                inner.varint(1, 1);
                write_schema(inner, 2, map);
            }
            value => inner.varint(1, u64::from(value.as_bool().unwrap_or_default())),
        },
        Type::SchemaOrArray | Type::SchemaOrStrings => match value {
            Value::Object(map) => write_schema(inner, 1, map),
            value => value.as_array().into_iter().flatten().for_each(|item| match item {
                Value::Object(map) => write_schema(inner, 2, map),
                item => inner.bytes(2, item.as_str().unwrap_or_default().as_bytes()),
            }),
        },
        _ if value.is_null() => {}
        _ => inner.bytes(1, value.to_string().as_bytes()),
    });
}

fn write_time(writer: &mut Writer, value: &Value) {
    if let Some(time) = value.as_str().and_then(moment::parse) {
        let (seconds, nanos) = moment::since_1970(time);
        writer.varint(1, seconds.cast_unsigned());
        writer.varint(2, u64::from(nanos));
    }
}

fn write_int_or_string(writer: &mut Writer, value: &Value) {
    match value {
        Value::String(text) => {
            writer.varint(1, 1);
            writer.bytes(3, text.as_bytes());
        }
        value => {
            writer.varint(1, 0);
            writer.varint(2, value.as_i64().unwrap_or_default().cast_unsigned());
        }
    }
}

fn write_schema(writer: &mut Writer, number: u8, map: &Map<String, Value>) {
    if let Some(id) = schema() {
        writer.message(number, |inner| write::members(inner, types().get(id), map));
    }
}

fn schema() -> Option<StructId> {
    types().by_definition(SCHEMA)
}

/// Reads a special value from its message.
pub(super) fn read(ty: &Type, message: &[u8], depth: usize) -> Result<Value, Refusal> {
    match ty {
        Type::Time | Type::MicroTime => read_time(ty, message),
        Type::IntOrString => read_int_or_string(message),
        Type::Quantity => Ok(Value::String(read::text(last(message, 1)?.unwrap_or_default())?)),
        // A schema that says nothing is a schema still.
        Type::SchemaOrBool => match last(message, 2)? {
            None => Ok(Value::Bool(flag(message)?)),
            Some(inner) => read_schema(inner, depth),
        },
        Type::SchemaOrArray | Type::SchemaOrStrings => read_alternatives(ty, message, depth),
        _ => match last(message, 1)?.unwrap_or_default() {
            [] => Ok(Value::Null),
            raw => serde_json::from_slice(raw).map_err(|_| Refusal::RawValue),
        },
    }
}

fn read_time(ty: &Type, message: &[u8]) -> Result<Value, Refusal> {
    if message.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Varint(value)) => seconds = value.cast_signed(),
            (2, Field::Varint(value)) => {
                nanos = i32::try_from(value.cast_signed()).map_err(|_| Refusal::Broken)?
            }
            _ => {}
        }
    }
    let time = moment::of(seconds, nanos).ok_or(Refusal::Broken)?;
    Ok(Value::String(if *ty == Type::Time { moment::seconds(time) } else { moment::micros(time) }))
}

fn read_int_or_string(message: &[u8]) -> Result<Value, Refusal> {
    let (mut is_text, mut number_value, mut text) = (false, 0, &[][..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Varint(value)) => is_text = value == 1,
            (2, Field::Varint(value)) => number_value = value.cast_signed(),
            (3, Field::Bytes(value)) => text = value,
            _ => {}
        }
    }
    if is_text { read::text(text).map(Value::String) } else { Ok(Value::from(number_value)) }
}

fn read_alternatives(ty: &Type, message: &[u8], depth: usize) -> Result<Value, Refusal> {
    let mut items = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Bytes(inner)) => return read_schema(inner, depth),
            (2, Field::Bytes(inner)) if *ty == Type::SchemaOrArray => items.push(read_schema(inner, depth)?),
            (2, Field::Bytes(inner)) => items.push(Value::String(read::text(inner)?)),
            _ => {}
        }
    }
    Ok(if items.is_empty() { Value::Null } else { Value::Array(items) })
}

fn read_schema(message: &[u8], depth: usize) -> Result<Value, Refusal> {
    match schema() {
        Some(id) => read::message(types().get(id), message, depth).map(Value::Object),
        None => Ok(Value::Null),
    }
}

fn flag(message: &[u8]) -> Result<bool, Refusal> {
    let mut flag = false;
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.next()? {
        if let (1, Field::Varint(value)) = (number, field) {
            flag = value != 0;
        }
    }
    Ok(flag)
}

/// The last bytes of a number in a message.
fn last(message: &[u8], wanted: u64) -> Result<Option<&[u8]>, Refusal> {
    let mut found = None;
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.next()? {
        if let Field::Bytes(bytes) = field
            && number == wanted
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}
