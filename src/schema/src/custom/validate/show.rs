//! Values as errors print them, and compared as Go compares them.

use std::fmt::Write as _;

use portcullis_api::Value;
use portcullis_api::field::{Raw, go_quote};

use super::super::data::{Data, Number};
use crate::managed::{go_float, write_string};

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
        Data::List(_) | Data::Object(_) => json(value),
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
        other => json(other.into()),
    }
}

/// JSON as Go writes it: whole floats like integers, and what means something in HTML escaped.
fn json(value: Data<'_>) -> String {
    let mut out = String::new();
    write_json(value, &mut out);
    out
}

fn write_json(value: Data<'_>, out: &mut String) {
    match value {
        Data::Null => out.push_str("null"),
        Data::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Data::Number(number) => write_number(number, out),
        Data::Text(text) => write_string(text, out),
        Data::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(index, out);
                write_json(item.into(), out);
            }
            out.push(']');
        }
        Data::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                comma(index, out);
                write_string(name, out);
                out.push(':');
                write_json(value.into(), out);
            }
            out.push('}');
        }
    }
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_number(number: Number, out: &mut String) {
    let _infallible = match number {
        Number::Int(int) => write!(out, "{int}"),
        Number::Float(float) if float == 0.0 || (1e-6..1e21).contains(&float.abs()) => write!(out, "{float}"),
        Number::Float(float) => {
            let text = format!("{float:e}");
            let positive = text.split_once('e').filter(|(_, power)| !power.starts_with('-'));
            match positive {
                Some((digits, power)) => write!(out, "{digits}e+{power}"),
                None => write!(out, "{text}"),
            }
        }
    };
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
