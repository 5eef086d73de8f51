//! Paths to fields that a schema specifies: `.spec.replicas`, `.spec['a.b']`.

use portcullis_api::Value;
use portcullis_api::field::Path;

use super::json::{entries, property, schema as schema_in};

/// Which steps a path may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notation {
    /// `.name` only.
    Dots,
    /// `.name` and `['name']`.
    DotsAndBrackets,
}

/// Why a path leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldPathError {
    /// No field has the name.
    #[error("does not refer to a valid field")]
    NoField,
    /// It ends amid a step.
    #[error("unexpected end of JSON path")]
    End,
    /// It has brackets where only names are allowed.
    #[error("array notation is not allowed")]
    Brackets,
    /// Brackets hold something else than a text in single quotes.
    #[error("expected single quoted string but got {0}")]
    Unquoted(String),
    /// A text has an escape that is none.
    #[error("invalid string literal: invalid escape char {0}")]
    Escape(String),
    /// Brackets are not closed.
    #[error("expected ] but got {0}")]
    Unclosed(String),
    /// A step starts with something else.
    #[error("expected [ or . but got: {0}")]
    Step(String),
}

/// Follows a path from the root of a schema: how errors name the place, and the schema of the field, if
/// it has one.
pub fn field_at<'s>(
    schema: &'s Value,
    path: &str,
    notation: Notation,
) -> Result<(Path, Option<&'s Value>), FieldPathError> {
    let mut tokens = Tokens(path);
    let (mut place, mut schema) = (Path::root(), Some(schema));
    while let Some(token) = tokens.next() {
        let (name, key) = match token {
            "." => (tokens.next().ok_or(FieldPathError::End)?.to_owned(), true),
            "[" if notation == Notation::Dots => return Err(FieldPathError::Brackets),
            "[" => (quoted(tokens.next().ok_or(FieldPathError::End)?)?, false),
            other => return Err(FieldPathError::Step(other.to_owned())),
        };
        let holder = schema.ok_or(FieldPathError::NoField)?;
        if entries(holder, "properties").next().is_some() {
            place = place.child(&name);
            schema = Some(property(holder, &name).ok_or(FieldPathError::NoField)?);
        } else if holder.get("additionalProperties").is_some() {
            place = place.key(&name);
            schema = schema_in(holder, "additionalProperties");
        } else {
            return Err(FieldPathError::NoField);
        }
        if !key {
            match tokens.next() {
                Some("]") => {}
                Some(other) => return Err(FieldPathError::Unclosed(other.to_owned())),
                None => return Err(FieldPathError::End),
            }
        }
    }
    Ok((place, schema))
}

/// Dots and brackets stand for themselves; what lies between them, or in quotes, is one token.
struct Tokens<'p>(&'p str);

impl<'p> Iterator for Tokens<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let first = self.0.chars().next()?;
        let length = match first {
            '.' | '[' | ']' => 1,
            '\'' => quote_end(self.0).unwrap_or(self.0.len()),
            _ => self.0.find(['.', '[', ']']).unwrap_or(self.0.len()),
        };
        let (token, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(token)
    }
}

/// Where a text in quotes ends: at a quote that no backslash stands before.
fn quote_end(text: &str) -> Option<usize> {
    let mut before = '\'';
    for (place, c) in text.char_indices().skip(1) {
        if c == '\'' && before != '\\' {
            return Some(place + 1);
        }
        before = c;
    }
    None
}

fn quoted(token: &str) -> Result<String, FieldPathError> {
    let inner = token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let inner = inner.ok_or_else(|| FieldPathError::Unquoted(token.to_owned()))?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(c @ ('\'' | '\\')) => c,
            Some(c) => return Err(FieldPathError::Escape(format!("\\{c}"))),
            None => '\\',
        });
    }
    Ok(text)
}
