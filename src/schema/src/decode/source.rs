//! Where a tree is read from: JSON text or another tree, both as a stream of tokens.

use std::borrow::Cow;

/// The first token of a value. After `Array` and `Object` the content is drawn with
/// [`Source::next_item`] and [`Source::next_key`].
#[derive(Debug)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    /// A number as it is written.
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array,
    Object,
}

impl Token<'_> {
    /// The word for the value in Go's error messages.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// The text is not JSON; where and why is found by [`super::syntax`].
#[derive(Debug)]
pub(super) struct Malformed;

/// A stream of tokens.
pub(super) trait Source<'a> {
    /// Starts the next value.
    fn token(&mut self) -> Result<Token<'a>, Malformed>;

    /// Steps to the next item of the current array; false at its end.
    fn next_item(&mut self, first: bool) -> Result<bool, Malformed>;

    /// Steps to the next key of the current object; none at its end.
    fn next_key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Malformed>;

    /// Checks that nothing follows the value.
    fn end(&mut self) -> Result<(), Malformed>;
}
