//! Bodies become trees in normal form, in one pass.
//!
//! JSON text or a tree ([`source`]) is read by [`reader`] along the types of a kind. Unknown fields are
//! dropped, nulls and what Go omits when empty too, zeros Go would write are added. What strict field
//! validation objects to is noted on the way. [`body`] wraps this for request bodies: media types, the
//! check of `apiVersion` and `kind`, and the words of the answers.

mod at;
mod body;
mod empties;
mod fit;
mod identity;
mod json;
mod metadata;
mod reader;
mod source;
mod special;
pub(crate) mod syntax;
mod times;
mod tree;
mod zero;

use std::borrow::Cow;
use std::fmt;

use portcullis_api::{Object, Value};

pub use body::{MediaType, Untyped, decode_body, decode_untyped};
pub use times::check_time;

pub(crate) use identity::type_meta;
pub(crate) use metadata::metadata;

use crate::kind::Kind;
use crate::types::Type;
use crate::yaml;
use at::At;
use identity::Identity;
use json::Json;
use reader::{Members, Reader, Stop};
use source::{Source, Token};
use tree::Tree;

/// How deeply a body may be nested. Upstream allows 10,000; many readers of JSON stop at 128, ours of what is
/// stored among them, and who owns the fields of an object is written a few levels deeper than they are.
pub const MAX_DEPTH: usize = 120;

/// What becomes of unknown and duplicate fields (`fieldValidation`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is warned.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// A tree in normal form and what was wrong with its source.
#[derive(Debug)]
pub struct Decoded {
    /// The tree.
    pub object: Object,
    /// Unknown and duplicate fields, in upstream's words; empty where they are ignored.
    pub problems: Vec<String>,
}

/// Why a body is no object of the kind that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// Not even its kind could be read.
    Unrecognized {
        /// What is wrong.
        message: String,
    },
    /// Its kind could be read, but not the rest.
    Mishandled {
        /// The kind it says it is.
        kind: String,
        /// The version it says it has, without the group.
        version: String,
        /// What is wrong.
        message: String,
    },
    /// It is a proper object of this kind in another version.
    OtherVersion {
        /// The `apiVersion` it has.
        found: String,
    },
}

impl DecodeError {
    /// What is wrong, without the sentence around it.
    pub fn message(&self) -> &str {
        match self {
            Self::Unrecognized { message } | Self::Mishandled { message, .. } => message,
            Self::OtherVersion { .. } => {
                "the API version in the data does not match the expected API version"
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for DecodeError {}

impl Kind {
    /// Reads JSON text as an object of this kind. An absent `apiVersion` or `kind` is filled in.
    pub fn decode(&self, body: &[u8], validation: FieldValidation) -> Result<Decoded, DecodeError> {
        let text = valid_utf8(body);
        let result = match self.read(Reader::new(Json::new(&text), notes(validation))) {
            Ok(read) => return read.judge(self, &text),
            Err(Stop::Malformed) => Err(Stop::Malformed),
            // What is reported depends on the rest of the text: is it JSON, and of which kind?
            Err(Stop::Refused(message)) => Identity::scan(&text).map(|identity| (identity, message)),
        };
        match result {
            Ok((identity, message)) => {
                identity.check(self, &text)?;
                Err(self.mishandled(message))
            }
            Err(_) => {
                let mistake = syntax::mistake(body).unwrap_or_default();
                let message = format!("couldn't get version/kind; json parse error: {mistake}");
                Err(DecodeError::Unrecognized { message })
            }
        }
    }

    /// Reads YAML text as an object of this kind.
    pub fn decode_yaml(&self, body: &[u8], validation: FieldValidation) -> Result<Decoded, DecodeError> {
        let yaml = yaml::read(body).map_err(|message| DecodeError::Unrecognized { message })?;
        let mut decoded = self.decode_tree(yaml.value, validation)?;
        if let Some(duplicates) = yaml.duplicates.filter(|_| validation != FieldValidation::Ignore) {
            decoded.problems.insert(0, duplicates);
        }
        Ok(decoded)
    }

    /// Brings a tree into normal form, as if it had been decoded from its own JSON. After an error the
    /// tree is empty.
    pub fn normalize(
        &self,
        object: &mut Object,
        validation: FieldValidation,
    ) -> Result<Vec<String>, DecodeError> {
        let map = std::mem::take(object.map_mut());
        let decoded = self.decode_tree(Value::Object(map), validation)?;
        *object = decoded.object;
        Ok(decoded.problems)
    }

    /// Like [`Kind::normalize`] for a tree that upstream turns into Go's structs without text between them,
    /// which names unknown fields in alphabetical order and leaves out the keys of maps around them.
    pub fn convert(
        &self,
        object: &mut Object,
        validation: FieldValidation,
    ) -> Result<Vec<String>, DecodeError> {
        let value = Value::Object(std::mem::take(object.map_mut()));
        let identity = Identity::of(&value);
        let decoded =
            self.decode_from(Reader::new(Tree::new(value), notes(validation)).converting(), identity)?;
        *object = decoded.object;
        Ok(decoded.problems)
    }

    /// Reads a tree as an object of this kind, and uses it up.
    pub fn decode_tree(&self, value: Value, validation: FieldValidation) -> Result<Decoded, DecodeError> {
        let identity = Identity::of(&value);
        self.decode_from(Reader::new(Tree::new(value), notes(validation)), identity)
    }

    fn decode_from(&self, reader: Reader<Tree>, identity: Identity) -> Result<Decoded, DecodeError> {
        match self.read(reader) {
            Ok(read) => read.judge(self, ""),
            Err(Stop::Malformed) => {
                Err(DecodeError::Unrecognized { message: "exceeded max depth".to_owned() })
            }
            Err(Stop::Refused(message)) => {
                identity.check(self, "")?;
                Err(self.mishandled(message))
            }
        }
    }

    fn read<'a, S: Source<'a>>(&self, mut reader: Reader<S>) -> Result<Read, Stop> {
        let mut members = Members::new(self.root_struct());
        let mut identity = Identity::default();
        match reader.source.token()? {
            Token::Object => {
                reader.enter()?;
                let mut first = true;
                while let Some(key) = reader.source.next_key(first)? {
                    first = false;
                    match Identity::name(&key) {
                        Some(name) => reader.identity(&mut members, &mut identity, name, &key)?,
                        None => reader.member(&mut members, key, &At::ROOT)?,
                    }
                }
                reader.leave();
            }
            Token::Null => {}
            token => {
                identity.not_an_object(token.word());
                reader.skip(token)?;
            }
        }
        reader.source.end()?;
        Ok(Read { members, identity, problems: reader.finish() })
    }
}

/// Whether unknown and duplicate fields are noted.
fn notes(validation: FieldValidation) -> bool {
    validation != FieldValidation::Ignore
}

/// What was read from well-formed text.
struct Read {
    members: Members,
    identity: Identity,
    /// The strict problems, or the first error of type.
    problems: Result<Vec<String>, String>,
}

impl Read {
    fn judge(self, kind: &Kind, data: &str) -> Result<Decoded, DecodeError> {
        self.identity.check(kind, data)?;
        let problems = self.problems.map_err(|message| kind.mishandled(message))?;
        let mut map = self.members.complete();
        map.insert("apiVersion".to_owned(), kind.api_version().into());
        map.insert("kind".to_owned(), kind.kind().into());
        Ok(Decoded { object: Object::new(map), problems })
    }
}

/// Reads any JSON, noting duplicate fields. The error says why a value was refused, or nothing where the
/// text is not JSON.
fn untyped(text: &str) -> Result<Untyped, Option<String>> {
    let mut reader = Reader::new(Json::new(text), true);
    let value =
        reader.source.token().map_err(Stop::from).and_then(|token| reader.any(&Type::Json, token, &At::ROOT));
    let ended = value.and_then(|value| reader.source.end().map_err(Stop::from).map(|()| value));
    match ended {
        Ok(value) => Ok(Untyped { value, problems: reader.finish().unwrap_or_default() }),
        Err(Stop::Refused(message)) => Err(Some(message)),
        Err(Stop::Malformed) => Err(None),
    }
}

/// What Go says of a text that is no JSON; none if it is.
pub fn json_mistake(text: &[u8]) -> Option<String> {
    syntax::mistake(text)
}

/// The text of a body; every byte that is not UTF-8 becomes a replacement character, as in Go.
fn valid_utf8(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;
