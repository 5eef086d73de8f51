//! Values that are messages of their own kind: times, quantities, raw JSON, schemas or something simpler.

use portcullis_api::Value;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::read::{self, Refusal};
use super::wire::{Field, Reader, Writer};
use super::write::Members;
use crate::moment;
use crate::types::{StructId, Type, types};

const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Writes a time; what is none is written as no time.
pub(super) fn write_time(writer: &mut Writer, text: &str) {
    if let Some(time) = moment::parse(text) {
        let (seconds, nanos) = moment::since_1970(time);
        writer.varint(1, seconds.cast_unsigned());
        writer.varint(2, u64::from(nanos));
    }
}

/// Writes a message of a custom resource's schema.
pub(super) fn schema<E>(
    writer: &mut Writer,
    number: u8,
    fill: impl FnOnce(Members<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let Some(id) = schema_id() else { return Ok(()) };
    writer.message(number, |writer| fill(Members { writer, schema: types().get(id) }))
}

/// Reads one of several: a schema, or a name.
pub(super) struct Alternative<'w> {
    pub(super) writer: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for Alternative<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Alternative<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a schema or a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.writer.bytes(2, name.as_bytes());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        schema(self.writer, 2, |schema| schema.visit_map(map))
    }
}

fn schema_id() -> Option<StructId> {
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
    match schema_id() {
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
