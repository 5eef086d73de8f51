//! Reads tokens into a tree in normal form, guided by the types.
//!
//! `None` stands for what is nil or a zero in Go; whether that is written is the holder's decision
//! ([`super::zero`]). The first error of type is remembered and reading goes on, as in Go, because a later
//! error that ends the decoding is reported instead of it.

use std::borrow::Cow;

use portcullis_api::field::go_quote;
use serde_json::{Map, Number, Value};

use super::MAX_DEPTH;
use super::at::At;
use super::source::{Malformed, Source, Token};
use super::zero::{shown, zero_field, zero_value};
use crate::number;
use crate::types::{Field, Struct, StructId, Type, Types, types};

/// As many strict problems as upstream reports.
const MAX_PROBLEMS: usize = 100;

/// Why reading ended early.
pub(super) enum Stop {
    /// The text is no JSON.
    Malformed,
    /// A value's own decoder refused it.
    Refused(String),
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads one tree.
pub(super) struct Reader<S> {
    pub(super) source: S,
    types: &'static Types,
    /// Whether unknown and duplicate fields are noted.
    strict: bool,
    /// Whether problems are told as [`crate::Kind::convert`] tells them.
    converting: bool,
    problems: Vec<String>,
    error: Option<String>,
    depth: usize,
}

impl<'a, S: Source<'a>> Reader<S> {
    pub(super) fn new(source: S, strict: bool) -> Self {
        Self {
            source,
            types: types(),
            strict,
            converting: false,
            problems: Vec::new(),
            error: None,
            depth: 0,
        }
    }

    /// Tells problems as [`crate::Kind::convert`] does.
    pub(super) fn converting(mut self) -> Self {
        self.converting = true;
        self
    }

    /// The strict problems, or the first error of type.
    pub(super) fn finish(mut self) -> Result<Vec<String>, String> {
        if self.converting {
            self.problems.sort_unstable();
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.problems),
        }
    }

    /// Reads a value that starts with `token`.
    pub(super) fn value(
        &mut self,
        ty: &'static Type,
        token: Token<'a>,
        at: &At<'_>,
    ) -> Result<Option<Value>, Stop> {
        match (ty, token) {
            (Type::Struct(id), Token::Object) => self.object(*id, at).map(Some),
            (Type::Map(of), Token::Object) => self.map(of, at).map(Some),
            (Type::List(of), Token::Array) => self.list(of, at).map(Some),
            (Type::String, Token::String(text)) => Ok(Some(Value::String(text.into_owned()))),
            (Type::Bool, Token::Bool(value)) => Ok(Some(Value::Bool(value))),
            (Type::Int32 | Type::Int64 | Type::Float64, Token::Number(text)) => {
                Ok(self.number(ty, &text, at))
            }
            (Type::Bytes, Token::String(text)) => Ok(self.bytes(&text)),
            (Type::Time | Type::MicroTime | Type::Duration | Type::Quantity | Type::IntOrString, token) => {
                self.special(ty, token, at)
            }
            (Type::SchemaOrBool | Type::SchemaOrArray | Type::SchemaOrStrings, token) => {
                self.schema_or(ty, token, at)
            }
            (_, Token::Null) => Ok(None),
            (Type::RawObject | Type::Json | Type::FieldsV1, token) => {
                self.leniently(|reader| reader.any(ty, token, at)).map(Some)
            }
            (_, token) => {
                self.mismatch(at.type_error(token.word()));
                self.skip(token)?;
                Ok(None)
            }
        }
    }

    /// Reads the members of a struct.
    pub(super) fn object(&mut self, id: StructId, at: &At<'_>) -> Result<Value, Stop> {
        let schema = self.types.get(id);
        let mut members = Members::new(schema);
        self.enter()?;
        let mut first = true;
        while let Some(key) = self.source.next_key(first)? {
            first = false;
            self.member(&mut members, key, at)?;
        }
        self.depth -= 1;
        Ok(Value::Object(members.complete()))
    }

    /// Reads one member of a struct, whose key was drawn.
    pub(super) fn member(&mut self, into: &mut Members, key: Cow<'a, str>, at: &At<'_>) -> Result<(), Stop> {
        let field = self.note(into, &key, at);
        let token = self.source.token()?;
        let Some(field) = field else { return self.skip(token) };
        let value = self.value(&field.ty, token, &at.field(into.schema, field))?;
        into.set(field, value);
        Ok(())
    }

    /// Finds the field of a key and notes a key that is unknown or was seen before.
    pub(super) fn note(&mut self, of: &mut Members, key: &str, at: &At<'_>) -> Option<&'static Field> {
        let schema: &'static Struct = of.schema;
        let place = schema.place(key);
        match place {
            None => self.problem("unknown", at, key),
            Some(place) if of.sees(place) => self.problem("duplicate", at, key),
            Some(_) => {}
        }
        schema.fields.get(place?)
    }

    fn map(&mut self, of: &'static Type, at: &At<'_>) -> Result<Value, Stop> {
        let mut map = Map::new();
        self.enter()?;
        let mut first = true;
        while let Some(key) = self.source.next_key(first)? {
            first = false;
            if map.contains_key(&*key) {
                self.problem("duplicate", at, &key);
            }
            let token = self.source.token()?;
            let value = self.value(of, token, &at.key(&key))?;
            map.insert(key.into_owned(), value.unwrap_or_else(|| zero_value(of)));
        }
        self.depth -= 1;
        Ok(Value::Object(map))
    }

    pub(super) fn list(&mut self, of: &'static Type, at: &At<'_>) -> Result<Value, Stop> {
        let mut list = Vec::new();
        self.enter()?;
        while self.source.next_item(list.is_empty())? {
            let token = self.source.token()?;
            let value = self.value(of, token, &at.index(list.len()))?;
            list.push(value.unwrap_or_else(|| zero_value(of)));
        }
        self.depth -= 1;
        Ok(Value::Array(list))
    }

    /// Reads any JSON. Numbers stay as they are written, unless Go reads them into values of its own
    /// ([`Type::Json`]).
    pub(super) fn any(&mut self, ty: &Type, token: Token<'a>, at: &At<'_>) -> Result<Value, Stop> {
        Ok(match token {
            Token::Null => Value::Null,
            Token::Bool(value) => Value::Bool(value),
            Token::Number(text) => Value::Number(any_number(ty, &text)?),
            Token::String(text) => Value::String(text.into_owned()),
            Token::Array => {
                let mut list = Vec::new();
                self.enter()?;
                while self.source.next_item(list.is_empty())? {
                    let token = self.source.token()?;
                    let item = self.any(ty, token, &at.index(list.len()))?;
                    list.push(item);
                }
                self.depth -= 1;
                Value::Array(list)
            }
            Token::Object => {
                let mut map = Map::new();
                self.enter()?;
                let mut first = true;
                while let Some(key) = self.source.next_key(first)? {
                    first = false;
                    if map.contains_key(&*key) {
                        self.problem("duplicate", at, &key);
                    }
                    let token = self.source.token()?;
                    let value = self.any(ty, token, &at.key(&key))?;
                    map.insert(key.into_owned(), value);
                }
                self.depth -= 1;
                Value::Object(map)
            }
        })
    }

    /// Reads past the rest of a value.
    pub(super) fn skip(&mut self, token: Token<'a>) -> Result<(), Stop> {
        match token {
            Token::Array => {
                self.enter()?;
                let mut first = true;
                while self.source.next_item(first)? {
                    first = false;
                    let token = self.source.token()?;
                    self.skip(token)?;
                }
                self.depth -= 1;
            }
            Token::Object => {
                self.enter()?;
                let mut first = true;
                while self.source.next_key(first)?.is_some() {
                    first = false;
                    let token = self.source.token()?;
                    self.skip(token)?;
                }
                self.depth -= 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Goes one level deeper; too deep counts as malformed.
    pub(super) fn enter(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Stop::Malformed) } else { Ok(()) }
    }

    /// Comes back from a level.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Runs a part of the reading in which nothing is noted as a strict problem.
    pub(super) fn leniently<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let strict = std::mem::replace(&mut self.strict, false);
        let result = read(self);
        self.strict = strict;
        result
    }

    /// Remembers an error of type unless there is one.
    pub(super) fn mismatch(&mut self, error: String) {
        self.error.get_or_insert(error);
    }

    fn problem(&mut self, what: &str, at: &At<'_>, name: &str) {
        if !self.strict || self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let problem = if self.converting {
            format!("{what} field \"{}\"", at.keyless_path(name))
        } else {
            format!("{what} field {}", go_quote(&at.strict_path(name)))
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn number(&mut self, ty: &Type, text: &str, at: &At<'_>) -> Option<Value> {
        let value = match ty {
            Type::Int32 => text.parse::<i32>().ok().map(Value::from),
            Type::Int64 => text.parse::<i64>().ok().map(Value::from),
            _ => text.parse().ok().and_then(number::of_float).map(Value::Number),
        };
        if value.is_none() {
            self.mismatch(at.type_error(&format!("number {text}")));
        }
        value
    }
}

fn any_number(ty: &Type, text: &str) -> Result<Number, Stop> {
    let number = text.parse::<Number>().ok();
    let number = match number.as_ref().and_then(Number::as_f64) {
        Some(value) if *ty == Type::Json && number.as_ref().is_some_and(Number::is_f64) => {
            number::of_float(value)
        }
        _ => number,
    };
    let out_of_range =
        || Stop::Refused(format!("json: cannot unmarshal number {text} into Go value of type float64"));
    number.ok_or_else(out_of_range)
}

/// The members of a struct as far as they were read.
pub(super) struct Members {
    schema: &'static Struct,
    map: Map<String, Value>,
    seen: u128,
}

impl Members {
    pub(super) fn new(schema: &'static Struct) -> Self {
        Self { schema, map: Map::new(), seen: 0 }
    }

    /// Marks a field as given; true if it was already.
    fn sees(&mut self, place: usize) -> bool {
        let bit = 1 << place;
        let before = self.seen & bit != 0;
        self.seen |= bit;
        before
    }

    fn set(&mut self, field: &Field, value: Option<Value>) {
        match shown(field, value) {
            Some(value) => {
                self.map.insert(field.json.to_owned(), value);
            }
            None => {
                self.map.remove(field.json);
            }
        }
    }

    /// Adds what Go writes although it was not given.
    pub(super) fn complete(mut self) -> Map<String, Value> {
        for (place, field) in self.schema.fields.iter().enumerate() {
            if self.seen & (1 << place) == 0 && field.shown_when_absent() {
                self.map.insert(field.json.to_owned(), zero_field(field));
            }
        }
        self.map
    }
}
