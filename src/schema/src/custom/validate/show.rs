//! Values as errors print them, and compared as Go compares them.

use std::fmt::Write as _;

use portcullis_api::Value;
use portcullis_api::field::{Raw, go_quote};

use super::super::data::{Data, Number};
use crate::managed::go_float;

/// A value in an error.
pub(in super::super) fn shown(value: &Value) -> Raw {
    data(value.into())
}

/// A value in an error.
pub(super) fn data(value: Data<'_>) -> Raw {
    Raw(match value {
        Data::Null => "null".to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => return self::number(number),
        Data::Text(text) => go_quote(text),
        Data::List(items) => escaped(serde_json::to_string(items).unwrap_or_default()),
        Data::Object(members) => escaped(serde_json::to_string(members).unwrap_or_default()),
    })
}

/// A number in an error.
pub(super) fn number(number: Number) -> Raw {
    Raw(match number {
        Number::Int(int) => int.to_string(),
        Number::Float(float) => self::float(float),
    })
}

/// A float in an error.
pub(super) fn float(float: f64) -> String {
    go_float(float)
}

/// A value in the list of those allowed, to be quoted.
pub(super) fn listed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => escaped(other.to_string()),
    }
}

/// JSON as Go writes it: what means something in HTML is escaped.
fn escaped(json: String) -> String {
    const SPECIAL: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    if !json.contains(SPECIAL) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if SPECIAL.contains(&c) {
            let _infallible = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Whether a value is the one that is listed: numbers are converted to the listed one's type first, so
/// that 1.5 passes for 1.
#[expect(clippy::cast_possible_truncation, reason = "upstream cuts floats in the same way")]
pub(super) fn equals(listed: &Value, value: Data<'_>) -> bool {
    match (Data::from(listed), value) {
        (Data::Null, _) => false,
        (Data::Number(Number::Int(listed)), Data::Number(Number::Float(float))) => listed == float as i64,
        (Data::Number(Number::Float(listed)), Data::Number(number @ Number::Int(_))) => {
            Number::Float(listed) == Number::Float(number.float())
        }
        (listed, value) => listed == value,
    }
}
