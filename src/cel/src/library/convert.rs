//! Conversions between types.

use std::sync::Arc;

use super::{Native, time};
use crate::error::Fault;
use crate::meter::Meter;
use crate::types::Type;
use crate::value::{Opaque, Val, go_double, int_from_double, seconds_text, uint_from_double};

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "dyn" => |args, _| args.first().cloned().ok_or(Fault::Arguments),
        "type" => |args, _| args.first().map(|value| Val::Type(value.kind())).ok_or(Fault::Arguments),
        "bool" => boolean,
        "bytes" => bytes,
        "double" => double,
        "duration" => duration,
        "int" => int,
        "string" => string,
        "timestamp" => timestamp,
        "uint" => uint,
        _ => return None,
    })
}

/// Whether a function only converts one value.
pub(crate) fn is_conversion(name: &str) -> bool {
    find(name).is_some()
}

fn unreadable(from: &Type, to: &Type) -> Fault {
    Fault::new(format!("type conversion error from '{}' to '{}'", from.name(), to.name()))
}

fn overflow() -> Fault {
    Fault::new("integer overflow")
}

fn unsigned_overflow() -> Fault {
    Fault::new("unsigned integer overflow")
}

fn boolean<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Bool(value)] => Ok(Val::Bool(*value)),
        [Val::String(text)] => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Val::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Val::Bool(false)),
            _ => Err(unreadable(&Type::String, &Type::Bool)),
        },
        _ => Err(Fault::Arguments),
    }
}

fn bytes<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Bytes(value)] => Ok(Val::Bytes(value.clone())),
        [Val::String(text)] => {
            meter.work_of(text.as_str().len(), 1)?;
            Ok(Val::Bytes(Arc::from(text.as_str().as_bytes())))
        }
        _ => Err(Fault::Arguments),
    }
}

#[expect(clippy::cast_precision_loss, reason = "as upstream: large numbers lose digits")]
fn double<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Double(value)] => Ok(Val::Double(*value)),
        [Val::Int(value)] => Ok(Val::Double(*value as f64)),
        [Val::Uint(value)] => Ok(Val::Double(*value as f64)),
        [Val::String(text)] => parse_double(text.as_str())
            .map(Val::Double)
            .ok_or_else(|| unreadable(&Type::String, &Type::Double)),
        _ => Err(Fault::Arguments),
    }
}

/// Reads a number; one that is too large is none.
fn parse_double(text: &str) -> Option<f64> {
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let named = text.trim_start_matches(['+', '-']).starts_with(|char: char| char.is_ascii_alphabetic());
    (value.is_finite() || named).then_some(value)
}

fn int<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Int(value) | Val::Duration(value)] => Ok(Val::Int(*value)),
        [Val::Uint(value)] => i64::try_from(*value).map(Val::Int).map_err(|_| overflow()),
        [Val::Double(value)] => int_from_double(*value).map(Val::Int).ok_or_else(overflow),
        [Val::Timestamp(time)] => Ok(Val::Int(time.seconds())),
        [Val::String(text)] => {
            text.as_str().parse().map(Val::Int).map_err(|_| unreadable(&Type::String, &Type::Int))
        }
        _ => Err(Fault::Arguments),
    }
}

fn uint<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Uint(value)] => Ok(Val::Uint(*value)),
        [Val::Int(value)] => u64::try_from(*value).map(Val::Uint).map_err(|_| unsigned_overflow()),
        [Val::Double(value)] => uint_from_double(*value).map(Val::Uint).ok_or_else(unsigned_overflow),
        [Val::String(text)] if !text.as_str().starts_with('+') => {
            text.as_str().parse().map(Val::Uint).map_err(|_| unreadable(&Type::String, &Type::Uint))
        }
        [Val::String(_)] => Err(unreadable(&Type::String, &Type::Uint)),
        _ => Err(Fault::Arguments),
    }
}

fn string<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::String(text)] => Ok(Val::String(text.clone())),
        [Val::Bytes(bytes)] => {
            meter.work_of(bytes.len(), 1)?;
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Fault::new("invalid UTF-8 in bytes, cannot convert to string"))?;
            Ok(Val::text(text))
        }
        [Val::Double(value)] => Ok(Val::text(go_double(*value))),
        [Val::Duration(value)] => Ok(Val::text(seconds_text(*value))),
        [
            value @ (Val::Bool(_)
            | Val::Int(_)
            | Val::Uint(_)
            | Val::Timestamp(_)
            | Val::Opaque(Opaque::Ip(_) | Opaque::Cidr(_))),
        ] => Ok(Val::text(value.to_string())),
        _ => Err(Fault::Arguments),
    }
}

fn timestamp<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Timestamp(value)] => Ok(Val::Timestamp(*value)),
        [Val::Int(seconds)] => time::Moment::from_seconds(*seconds)
            .map(Val::Timestamp)
            .ok_or_else(|| Fault::new("timestamp overflow")),
        [Val::String(text)] => time::timestamp(text.as_str())
            .map(Val::Timestamp)
            .ok_or_else(|| unreadable(&Type::String, &Type::Timestamp)),
        _ => Err(Fault::Arguments),
    }
}

fn duration<'v>(args: &[Val<'v>], _: &mut Meter) -> Result<Val<'v>, Fault> {
    match args {
        [Val::Duration(value)] => Ok(Val::Duration(*value)),
        [Val::Int(_)] => Err(unreadable(&Type::Int, &Type::Duration)),
        [Val::String(text)] => time::duration(text.as_str())
            .map(Val::Duration)
            .ok_or_else(|| unreadable(&Type::String, &Type::Duration)),
        _ => Err(Fault::Arguments),
    }
}
