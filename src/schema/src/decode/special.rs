//! Values that Go reads with decoders of their own. Their errors end the decoding.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis_api::quantity::{Quantity, QuantityError};
use serde_json::{Map, Value};

use super::at::At;
use super::reader::{Reader, Stop};
use super::source::{Source, Token};
use super::times::{self, Layout};
use super::zero::zero_value;
use crate::types::{StructId, Type, types};

/// Like Go's decoder, indifferent to the bits that the last character does not need.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

impl<'a, S: Source<'a>> Reader<S> {
    /// Reads a time, duration, quantity or number-or-string.
    pub(super) fn special(
        &mut self,
        ty: &Type,
        token: Token<'a>,
        at: &At<'_>,
    ) -> Result<Option<Value>, Stop> {
        match (ty, token) {
            (_, Token::Null) => Ok(None),
            (Type::Quantity, token) => self.quantity(token),
            (Type::IntOrString, token) => self.int_or_string(token, at),
            (Type::Time, Token::String(text)) => time(&text, Layout::Seconds),
            (Type::MicroTime, Token::String(text)) => time(&text, Layout::Micros),
            (Type::Duration, Token::String(text)) => Ok(Some(Value::String(text.into_owned()))),
            (_, token) => self.refuse(token, |word| at.type_error_for(word, "string")),
        }
    }

    fn quantity(&mut self, token: Token<'a>) -> Result<Option<Value>, Stop> {
        let text = match token {
            Token::String(text) | Token::Number(text) => text,
            token => return self.refuse(token, |_| QuantityError::Format.to_string()),
        };
        match Quantity::parse(text.trim()) {
            Ok(quantity) => Ok(Some(Value::String(quantity.to_string()))),
            Err(error) => Err(Stop::Refused(error.to_string())),
        }
    }

    fn int_or_string(&mut self, token: Token<'a>, at: &At<'_>) -> Result<Option<Value>, Stop> {
        match token {
            Token::String(text) => Ok(Some(Value::String(text.into_owned()))),
            Token::Number(text) => match text.parse::<i32>() {
                Ok(number) => Ok(Some(Value::from(number))),
                Err(_) => Err(Stop::Refused(at.type_error_for(&format!("number {text}"), "int32"))),
            },
            token => self.refuse(token, |word| at.type_error_for(word, "int32")),
        }
    }

    /// Reads what may be a schema or something simpler. Go reads these in a decoding of its own, which
    /// notes no strict problems.
    pub(super) fn schema_or(
        &mut self,
        ty: &Type,
        token: Token<'a>,
        at: &At<'_>,
    ) -> Result<Option<Value>, Stop> {
        let Some(schema) = types().by_definition(SCHEMA) else { return Ok(None) };
        let at = &at.nested();
        match (ty, token) {
            (_, Token::Object) => self.leniently(|reader| reader.object(schema, at)).map(Some),
            (Type::SchemaOrBool, Token::Bool(value)) => Ok(Some(Value::Bool(value))),
            (Type::SchemaOrBool, Token::Null) => Ok(None),
            (Type::SchemaOrBool, token) => {
                self.refuse(token, |_| "boolean or JSON schema expected".to_owned())
            }
            (Type::SchemaOrArray, Token::Array) => self.leniently(|reader| reader.schemas(schema, at)),
            (Type::SchemaOrStrings, Token::Array) => self.leniently(|reader| reader.names(at)),
            (_, token) => {
                self.skip(token)?;
                Ok(None)
            }
        }
    }

    fn schemas(&mut self, schema: StructId, at: &At<'_>) -> Result<Option<Value>, Stop> {
        let mut list = Vec::new();
        self.enter()?;
        while self.source.next_item(list.is_empty())? {
            let item = match self.source.token()? {
                Token::Object => self.object(schema, at)?,
                Token::Null => Value::Object(Map::new()),
                token => {
                    self.mismatch(at.type_error(token.word()));
                    self.skip(token)?;
                    Value::Object(Map::new())
                }
            };
            list.push(item);
        }
        self.leave();
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    fn names(&mut self, at: &At<'_>) -> Result<Option<Value>, Stop> {
        let mut list = Vec::new();
        self.enter()?;
        while self.source.next_item(list.is_empty())? {
            let item = match self.source.token()? {
                Token::String(text) => Value::String(text.into_owned()),
                Token::Null => zero_value(&Type::String),
                token => {
                    self.mismatch(at.type_error_for(token.word(), "string"));
                    self.skip(token)?;
                    zero_value(&Type::String)
                }
            };
            list.push(item);
        }
        self.leave();
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    /// Reads base64. A mistake is remembered like an error of type.
    pub(super) fn bytes(&mut self, text: &str) -> Option<Value> {
        match BASE64.decode(text) {
            Ok(bytes) => Some(Value::String(BASE64.encode(bytes))),
            Err(_) => match decode_with_breaks(text) {
                Ok(bytes) => Some(Value::String(BASE64.encode(bytes))),
                Err(place) => {
                    self.mismatch(format!("illegal base64 data at input byte {place}"));
                    None
                }
            },
        }
    }

    fn refuse(
        &mut self,
        token: Token<'a>,
        words: impl FnOnce(&str) -> String,
    ) -> Result<Option<Value>, Stop> {
        Err(Stop::Refused(words(token.word())))
    }
}

fn time(text: &str, layout: Layout) -> Result<Option<Value>, Stop> {
    match times::canonical(text, layout) {
        Ok(time) => Ok(time.map(Value::String)),
        Err(error) => Err(Stop::Refused(error)),
    }
}

/// Decodes base64 that line breaks may interrupt, or tells the byte at which Go gives up.
fn decode_with_breaks(text: &str) -> Result<Vec<u8>, usize> {
    let solid: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    let bytes: Vec<u8> = solid.iter().map(|(_, byte)| *byte).collect();
    BASE64.decode(&bytes).map_err(|_| corrupt_at(&solid, text.len()))
}

/// The place Go names: the first byte outside the alphabet, a padding where none may be, what follows
/// the padding, or the start of what was cut short.
fn corrupt_at(solid: &[(usize, u8)], len: usize) -> usize {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let Some(stop) = solid.iter().position(|(_, byte)| !in_alphabet(*byte)) else {
        return len - solid.len() % 4;
    };
    let place = |index: usize| solid.get(index).map_or(len, |(place, _)| *place);
    let padding = solid.get(stop).is_some_and(|(_, byte)| *byte == b'=');
    match (padding, stop % 4) {
        (false, _) | (true, 0 | 1) => place(stop),
        (true, 2) if solid.get(stop + 1).is_none_or(|(_, byte)| *byte != b'=') => place(stop + 1),
        (true, 2) => place(stop + 2),
        (true, _) => place(stop + 1),
    }
}
