//! Tokens from a tree, which is used up.

use std::borrow::Cow;

use serde_json::{Value, map};

use super::source::{Malformed, Source, Token};

/// A tree being read.
pub(super) struct Tree {
    next: Option<Value>,
    open: Vec<Open>,
}

enum Open {
    Array(std::vec::IntoIter<Value>),
    Object(map::IntoIter),
}

impl Tree {
    pub(super) fn new(value: Value) -> Self {
        Self { next: Some(value), open: Vec::new() }
    }
}

impl Source<'static> for Tree {
    fn token(&mut self) -> Result<Token<'static>, Malformed> {
        Ok(match self.next.take().ok_or(Malformed)? {
            Value::Null => Token::Null,
            Value::Bool(value) => Token::Bool(value),
            Value::Number(number) => Token::Number(Cow::Owned(number.to_string())),
            Value::String(text) => Token::String(Cow::Owned(text)),
            Value::Array(items) => {
                self.open.push(Open::Array(items.into_iter()));
                Token::Array
            }
            Value::Object(map) => {
                self.open.push(Open::Object(map.into_iter()));
                Token::Object
            }
        })
    }

    fn next_item(&mut self, _first: bool) -> Result<bool, Malformed> {
        let Some(Open::Array(items)) = self.open.last_mut() else { return Err(Malformed) };
        self.next = items.next();
        if self.next.is_none() {
            self.open.pop();
        }
        Ok(self.next.is_some())
    }

    fn next_key(&mut self, _first: bool) -> Result<Option<Cow<'static, str>>, Malformed> {
        let Some(Open::Object(members)) = self.open.last_mut() else { return Err(Malformed) };
        let Some((key, value)) = members.next() else {
            self.open.pop();
            return Ok(None);
        };
        self.next = Some(value);
        Ok(Some(Cow::Owned(key)))
    }

    fn end(&mut self) -> Result<(), Malformed> {
        Ok(())
    }
}
