//! The envelope of an object: four bytes of magic, then its kind and its message.

use portcullis_api::{Map, Value};
use serde::de::{DeserializeSeed as _, Deserializer as _};

use super::read::{self, Refusal};
use super::wire::{Field, Reader, Writer};
use super::write::Members;
use crate::decode::{DecodeError, Decoded, FieldValidation};
use crate::kind::Kind;
use crate::types::Struct;

/// What every body starts with.
pub const MAGIC: &[u8] = b"k8s\0";

/// An object in its envelope.
///
/// # Errors
/// When a value is of another type than its field.
pub fn encode(kind: &Kind, object: &Map<String, Value>) -> Result<Vec<u8>, serde_json::Error> {
    envelope(kind, |members| object.deserialize_map(members))
}

/// An object in its envelope, from the JSON of one in normal form; no tree is built.
///
/// # Errors
/// When it is no JSON, or a value is of another type than its field.
pub fn encode_json(kind: &Kind, json: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    envelope(kind, |members| transcode(json, members))
}

fn envelope<E>(kind: &Kind, fill: impl FnOnce(Members<'_>) -> Result<(), E>) -> Result<Vec<u8>, E> {
    let mut writer = Writer::headed(MAGIC);
    type_meta(&mut writer, kind.api_version(), kind.kind());
    writer.message(2, |writer| fill(Members { writer, schema: kind.root_struct() }))?;
    Ok(closed(writer))
}

pub(super) fn transcode(json: &[u8], members: Members<'_>) -> Result<(), serde_json::Error> {
    let mut source = serde_json::Deserializer::from_slice(json);
    members.deserialize(&mut source)?;
    source.end()
}

/// One frame of a watch: its length, its type and an object that is in its envelope.
pub fn encode_watch_event(event: &str, object: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, event.as_bytes());
    writer.message(2, |raw| raw.bytes(1, object));
    let message = writer.into_bytes();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &message].concat()
}

impl Kind {
    /// Reads a protobuf body as an object of this kind.
    pub fn decode_protobuf(&self, body: &[u8], validation: FieldValidation) -> Result<Decoded, DecodeError> {
        let unrecognized = |message: &str| DecodeError::Unrecognized { message: message.to_owned() };
        let message = match body.strip_prefix(MAGIC) {
            _ if body.is_empty() => return Err(unrecognized("empty data")),
            None => {
                let words =
                    "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
                return Err(unrecognized(words));
            }
            Some([]) => return Err(unrecognized("empty body")),
            Some(message) => message,
        };
        let envelope = Envelope::read(message).map_err(|refusal| unrecognized(&refusal.to_string()))?;
        self.decode_envelope(&envelope, validation)
    }

    fn decode_envelope(
        &self,
        envelope: &Envelope<'_>,
        validation: FieldValidation,
    ) -> Result<Decoded, DecodeError> {
        let tree = envelope.tree(self.root_struct());
        // The kind is checked even where the message cannot be read: an other kind's message may well not be.
        let failed = tree.as_ref().err().copied();
        let named = envelope.named(tree.unwrap_or_default());
        let decoded = self.decode_tree(Value::Object(named), validation)?;
        match failed {
            Some(refusal) => Err(self.mishandled(refusal.to_string())),
            None => Ok(decoded),
        }
    }
}

/// Reads a protobuf value that names its own kind, as upstream's servers store them. `known` finds the kind to
/// read it as, which may be of another version with the same fields.
pub(crate) fn decode_stored(
    body: &[u8],
    known: impl Fn(&str, &str, &str) -> Option<&'static Kind>,
) -> Result<(&'static Kind, Decoded), DecodeError> {
    let unrecognized = |message: String| DecodeError::Unrecognized { message };
    let message =
        body.strip_prefix(MAGIC).ok_or_else(|| unrecognized("it is no protobuf value".to_owned()))?;
    let mut envelope = Envelope::read(message).map_err(|refusal| unrecognized(refusal.to_string()))?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let unknown = || unrecognized(format!("no kind {:?} in {:?}", envelope.kind, envelope.api_version));
    let kind = known(group, version, &envelope.kind).ok_or_else(unknown)?;
    kind.api_version().clone_into(&mut envelope.api_version);
    Ok((kind, kind.decode_envelope(&envelope, FieldValidation::Ignore)?))
}

/// Writes what an object is.
pub(super) fn type_meta(writer: &mut Writer, api_version: &str, kind: &str) {
    writer.message(1, |type_meta| {
        type_meta.bytes(1, api_version.as_bytes());
        type_meta.bytes(2, kind.as_bytes());
    });
}

/// Ends an envelope: no content encoding, no content type.
pub(super) fn closed(mut writer: Writer) -> Vec<u8> {
    writer.bytes(3, b"");
    writer.bytes(4, b"");
    writer.into_bytes()
}

/// An envelope that was read.
#[derive(Default)]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Refusal> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.next()? {
            match (number, field) {
                (1, Field::Bytes(type_meta)) => envelope.type_meta(type_meta)?,
                (2, Field::Bytes(raw)) => envelope.raw = raw,
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn type_meta(&mut self, message: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.next()? {
            match (number, field) {
                (1, Field::Bytes(text)) => self.api_version = read::text(text)?,
                (2, Field::Bytes(text)) => self.kind = read::text(text)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn tree(&self, schema: &Struct) -> Result<Map<String, Value>, Refusal> {
        read::message(schema, self.raw, 0)
    }

    fn named(&self, mut tree: Map<String, Value>) -> Map<String, Value> {
        tree.insert("apiVersion".to_owned(), self.api_version.as_str().into());
        tree.insert("kind".to_owned(), self.kind.as_str().into());
        tree
    }
}
