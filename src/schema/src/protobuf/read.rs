//! Messages become trees. They are loose: what they lack is added when they are brought into normal form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::{Map, Value};

use super::special;
use super::wire::{Broken, Field, Reader};
use crate::decode::MAX_DEPTH;
use crate::number;
use crate::types::{self, Struct, Type, types};

/// Why a message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("unexpected EOF")]
    Broken,
    #[error("proto: string field contains invalid UTF-8")]
    Utf8,
    #[error("proto: wrong wireType for a field")]
    WireType,
    #[error("a raw value is no JSON")]
    RawValue,
    #[error("exceeded max depth")]
    Depth,
}

impl From<Broken> for Refusal {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// Reads the message of a struct.
pub(super) fn message(schema: &Struct, bytes: &[u8], depth: usize) -> Result<Map<String, Value>, Refusal> {
    let mut map = Map::new();
    inlined(schema, bytes, &[], depth, &mut map)?;
    Ok(map)
}

/// Reads the message at `via`, inlined into a struct.
fn inlined(
    schema: &Struct,
    bytes: &[u8],
    via: &[u8],
    depth: usize,
    map: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(Refusal::Depth);
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.next()? {
        let Ok(number) = u8::try_from(number) else { continue };
        let path = [via, &[number]].concat();
        if let Some(field) = schema.fields.iter().find(|field| field.proto.path() == path) {
            member(field, content, depth, map)?;
        } else if let Field::Bytes(inner) = content
            && schema.fields.iter().any(|field| field.proto.path().starts_with(&path))
        {
            inlined(schema, inner, &path, depth + 1, map)?;
        }
    }
    Ok(())
}

fn member(
    field: &types::Field,
    content: Field<'_>,
    depth: usize,
    map: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    match &field.ty {
        Type::List(of) => {
            let slot = map.entry(field.json).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(items) = slot else { return Ok(()) };
            match (&**of, content) {
                (Type::Int32 | Type::Int64 | Type::Bool, Field::Bytes(packed)) => {
                    let mut reader = Reader::new(packed);
                    while !reader.is_empty() {
                        items.push(one(of, Field::Varint(reader.raw_varint()?), depth)?);
                    }
                }
                (of, content) => items.push(one(of, content, depth)?),
            }
        }
        Type::Map(of) => {
            let Field::Bytes(entry) = content else { return Err(Refusal::WireType) };
            let slot = map.entry(field.json).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(members) = slot else { return Ok(()) };
            let (key, value) = map_entry(of, entry, depth)?;
            members.insert(key, value);
        }
        ty => {
            map.insert(field.json.to_owned(), one(ty, content, depth)?);
        }
    }
    Ok(())
}

fn map_entry(of: &Type, entry: &[u8], depth: usize) -> Result<(String, Value), Refusal> {
    let (mut key, mut value) = (String::new(), Value::Null);
    let mut reader = Reader::new(entry);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Field::Bytes(bytes)) => key = text(bytes)?,
            (2, content) => value = one(of, content, depth)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn one(ty: &Type, content: Field<'_>, depth: usize) -> Result<Value, Refusal> {
    Ok(match (ty, content) {
        (Type::Bool, Field::Varint(value)) => Value::Bool(value != 0),
        (Type::Int32 | Type::Int64, Field::Varint(value)) => Value::from(value.cast_signed()),
        (Type::Float64, Field::Fixed64(bits)) => {
            number::of_float(f64::from_bits(bits)).map(Value::Number).ok_or(Refusal::Broken)?
        }
        (Type::String | Type::Duration, Field::Bytes(bytes)) => Value::String(text(bytes)?),
        (Type::Bytes, Field::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Type::Struct(id), Field::Bytes(bytes)) => {
            Value::Object(message(types().get(*id), bytes, depth + 1)?)
        }
        (Type::List(of), Field::Bytes(bytes)) => {
            let mut items = Vec::new();
            let mut reader = Reader::new(bytes);
            while let Some((number, content)) = reader.next()? {
                if number == 1 {
                    items.push(one(of, content, depth + 1)?);
                }
            }
            Value::Array(items)
        }
        (Type::Bool | Type::Int32 | Type::Int64 | Type::Float64, _) => return Err(Refusal::WireType),
        (ty, Field::Bytes(bytes)) => special::read(ty, bytes, depth + 1)?,
        _ => return Err(Refusal::WireType),
    })
}

pub(super) fn text(bytes: &[u8]) -> Result<String, Refusal> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Refusal::Utf8)
}
