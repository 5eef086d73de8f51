//! A borrowed value; unlike a `&Value` it can also be an object of which only the map is at hand.

use portcullis_api::{Map, Value};

/// A borrowed JSON value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Data<'v> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'v str),
    List(&'v [Value]),
    Object(&'v Map<String, Value>),
}

/// A number as upstream holds it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl<'v> From<&'v Value> for Data<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.into()),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items),
            Value::Object(members) => Self::Object(members),
        }
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        match number.as_i64() {
            Some(int) => Self::Int(int),
            None => Self::Float(number.as_f64().unwrap_or_default()),
        }
    }
}

impl Number {
    /// The number as a float.
    #[expect(clippy::cast_precision_loss, reason = "upstream converts in the same way")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}
