//! Paths into objects.
//!
//! [`JsonPath`] is the language of printer columns and selectable fields: fields, indexes, slices,
//! wildcards, unions, filters, descent into everything. [`int_at`] and [`text_at`] follow the plain dotted
//! paths of the scale subresource. Every evaluation takes a bounded number of steps.

mod compare;
mod eval;
mod parse;
mod simple;

use std::fmt;

use portcullis_api::{Object, Value};

use crate::managed::{go_float, go_plain};

pub use eval::EvalError;
pub use parse::ParseError;
pub use simple::{int_at, text_at};

/// A compiled path.
#[derive(Clone, Debug)]
pub struct JsonPath {
    text: Box<str>,
    steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Wildcard,
    /// `..`
    Descent,
    Slice(Slice),
    Union(Vec<Vec<Step>>),
    Filter(Box<Filter>),
    /// A literal that stands once for all there was.
    Text(Value),
    /// A literal that stands for each value there was.
    Literal(Value),
    /// A word; the language of templates has some that mean nothing in a path.
    Word(String),
}

/// `[start:end:step]`; a single index has no end of its own.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
    /// Whether the end follows from the start.
    single: bool,
}

/// `[?(left operator right)]`; without a right side the left one has to lead to something.
#[derive(Clone, Debug)]
struct Filter {
    left: Vec<Step>,
    right: Option<(String, Vec<Step>)>,
}

impl JsonPath {
    /// Compiles a path as it stands in a definition, without braces.
    pub fn parse(path: &str) -> Result<Self, ParseError> {
        Ok(Self { text: path.into(), steps: parse::path(path)? })
    }

    /// All values the path leads to.
    pub fn find<'v>(&'v self, object: &'v Object) -> Result<Vec<&'v Value>, EvalError> {
        eval::find(&self.steps, object.map())
    }

    /// The cell of a printer column, for all types but `date`: null where there is nothing to show.
    pub fn cell(&self, object: &Object, column_type: &str) -> Value {
        let Some(value) = self.first(object) else { return Value::Null };
        match (column_type, value) {
            ("string", Value::Null) => "<no value>".into(),
            ("string", value) => text_of(value).into(),
            ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (None, Some(float)) => cut(float).into(),
                (int, _) => int.into(),
            },
            ("number", Value::Number(number)) => number.as_f64().into(),
            ("boolean", Value::Bool(value)) => (*value).into(),
            _ => Value::Null,
        }
    }

    /// The text objects are selected by; empty where the path leads nowhere.
    pub fn selectable(&self, object: &Object) -> String {
        match self.first(object) {
            None | Some(Value::Null) => String::new(),
            Some(value @ (Value::Array(_) | Value::Object(_))) => go_plain(value),
            Some(value) => text_of(value),
        }
    }

    /// The first value the path leads to.
    pub fn first<'v>(&'v self, object: &'v Object) -> Option<&'v Value> {
        self.find(object).ok()?.first().copied()
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) => go_float(float),
            _ => number.to_string(),
        },
        other => super::validate::shown(other).0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cell shows the whole part")]
fn cut(float: f64) -> i64 {
    float as i64
}

#[cfg(test)]
mod tests;
