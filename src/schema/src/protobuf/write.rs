//! JSON becomes messages as it is read: from stored bytes or from a tree, no tree is built.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::inlined::Inlined;
use super::special::{self, Alternative};
use super::wire::Writer;
use crate::types::{Field, Struct, Type, types};

/// Reads an object and writes its members into the message of a struct.
pub(super) struct Members<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) schema: &'static Struct,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an object of {}", self.schema.go_name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { writer, schema } = self;
        let mut inlined = Inlined::of(schema);
        while let Some(place) = map.next_key_seed(Name(schema))? {
            match place.and_then(|place| schema.fields.get(place)) {
                Some(field) if field.proto.number != 0 => {
                    let target = match &mut inlined {
                        Some(inlined) => inlined.target(field).unwrap_or(&mut *writer),
                        None => &mut *writer,
                    };
                    map.next_value_seed(One::member(target, field))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let Some(inlined) = inlined {
            inlined.write(writer);
        }
        Ok(())
    }
}

/// Reads a member's name; finds the place of its field, if there is one.
struct Name(&'static Struct);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.place(name))
    }
}

/// Reads one value and writes it as a field.
pub(super) struct One<'w> {
    writer: &'w mut Writer,
    number: u8,
    ty: &'static Type,
    /// A member of a struct: absent if it is null, and repeated if it is a list or a map.
    member: bool,
}

impl<'w> One<'w> {
    fn member(writer: &'w mut Writer, field: &'static Field) -> Self {
        Self { writer, number: field.proto.number, ty: &field.ty, member: true }
    }

    /// An item of a list or the value of a map.
    fn item(writer: &'w mut Writer, number: u8, ty: &'static Type) -> Self {
        Self { writer, number, ty, member: false }
    }

    /// Any JSON, written as it is.
    fn raw<'de, D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        let raw = <Box<RawValue> as serde::Deserialize>::deserialize(source)?;
        match raw.get() {
            "null" if self.member => {}
            "null" => self.writer.bytes(self.number, b""),
            text => self.writer.message(self.number, |inner| inner.bytes(1, text.as_bytes())),
        }
        Ok(())
    }

    fn integer(self, value: i64) {
        let value = value.cast_unsigned();
        match self.ty {
            Type::IntOrString => self.writer.message(self.number, |inner| {
                inner.varint(1, 0);
                inner.varint(2, value);
            }),
            Type::Quantity => self.text(&value.cast_signed().to_string()),
            Type::Float64 => self.writer.double(self.number, value.cast_signed() as f64),
            _ => self.writer.varint(self.number, value),
        }
    }

    fn text(self, text: &str) {
        let Self { writer, number, ty, .. } = self;
        match ty {
            Type::String | Type::Duration => writer.bytes(number, text.as_bytes()),
            Type::Bytes => writer.bytes(number, &STANDARD.decode(text).unwrap_or_default()),
            Type::Time | Type::MicroTime => writer.message(number, |inner| special::write_time(inner, text)),
            Type::Quantity => writer.message(number, |inner| inner.bytes(1, text.as_bytes())),
            Type::IntOrString => writer.message(number, |inner| {
                inner.varint(1, 1);
                inner.bytes(3, text.as_bytes());
            }),
            _ => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        match self.ty {
            Type::RawObject | Type::Json | Type::FieldsV1 => self.raw(source),
            _ => source.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a value of {:?}", self.ty)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        match self.ty {
            Type::SchemaOrBool => self.writer.message(self.number, |inner| inner.varint(1, u64::from(value))),
            _ => self.writer.varint(self.number, u64::from(value)),
        }
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.integer(value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(value).map_err(|_| E::custom("the number is too large"))?)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match self.ty {
            Type::Float64 => self.writer.double(self.number, value),
            _ => return Err(E::custom("the number is not whole")),
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        match self.ty {
            _ if self.member => {}
            Type::Bool | Type::Int32 | Type::Int64 => self.writer.varint(self.number, 0),
            Type::Float64 => self.writer.double(self.number, 0.0),
            _ => self.writer.bytes(self.number, b""),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { writer, number, ty, member } = self;
        match ty {
            Type::List(of) if member => each(&mut items, writer, number, of),
            // A list as the value of a map is a message with one repeated field.
            Type::List(of) => writer.message(number, |inner| each(&mut items, inner, 1, of)),
            Type::SchemaOrArray | Type::SchemaOrStrings => writer.message(number, |inner| {
                while items.next_element_seed(Alternative { writer: inner })?.is_some() {}
                Ok(())
            }),
            _ => Err(A::Error::custom("a list where there is none")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self { writer, number, ty, member } = self;
        match ty {
            Type::Struct(id) => {
                writer.message(number, |writer| Members { writer, schema: types().get(*id) }.visit_map(map))
            }
            Type::Map(of) if member => entries(map, writer, number, of),
            Type::SchemaOrBool | Type::SchemaOrArray | Type::SchemaOrStrings => {
                writer.message(number, |inner| {
                    let place = if *ty == Type::SchemaOrBool { 2 } else { 1 };
                    if place == 2 {
                        inner.varint(1, 1);
                    }
                    special::schema(inner, place, |schema| schema.visit_map(map))
                })
            }
            _ => Err(A::Error::custom("an object where there is none")),
        }
    }
}

fn each<'de, A: SeqAccess<'de>>(
    items: &mut A,
    writer: &mut Writer,
    number: u8,
    of: &'static Type,
) -> Result<(), A::Error> {
    while items.next_element_seed(One::item(writer, number, of))?.is_some() {}
    Ok(())
}

/// The entries of a map are messages of a key and a value.
fn entries<'de, A: MapAccess<'de>>(
    mut map: A,
    writer: &mut Writer,
    number: u8,
    of: &'static Type,
) -> Result<(), A::Error> {
    loop {
        let more = writer.message_if(number, |entry| {
            if map.next_key_seed(One::item(entry, 1, &Type::String))?.is_none() {
                return Ok(false);
            }
            map.next_value_seed(One::item(entry, 2, of))?;
            Ok(true)
        })?;
        if !more {
            return Ok(());
        }
    }
}
