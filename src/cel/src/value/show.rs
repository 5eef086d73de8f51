//! How a value is written: as an expression would spell it, and as messages quote it.

use std::fmt::{self, Write as _};

use super::{Opaque, Val, go_double, seconds_text};

/// The most octets of a value in a message.
const SHORT: usize = 1_024;

/// A value as messages quote it: only the start of what is long.
pub(crate) fn short(value: &Val<'_>) -> String {
    let mut out = Short(String::new());
    // That it stops early is what is wanted.
    let _stopped = write!(out, "{value}");
    out.0
}

/// A text that takes no more than fits.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.0.len() >= SHORT {
                return Err(fmt::Error);
            }
            self.0.push(char);
        }
        Ok(())
    }
}

impl fmt::Display for Val<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Uint(value) => write!(out, "{value}"),
            Self::Double(value) => out.write_str(&go_double(*value)),
            Self::String(text) => write!(out, "{text}"),
            Self::Bytes(bytes) => out.write_str(&String::from_utf8_lossy(bytes)),
            Self::Timestamp(value) => write!(out, "{value}"),
            Self::Duration(value) => out.write_str(&seconds_text(*value)),
            Self::List(list) => {
                out.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { ", " })?;
                    value.map_or(Ok(()), |value| write!(out, "{value}"))?;
                }
                out.write_str("]")
            }
            Self::Map(map) => {
                out.write_str("{")?;
                for (index, key) in map.keys().iter().enumerate() {
                    write!(out, "{}{key}: ", if index == 0 { "" } else { ", " })?;
                    if let Some(Ok(value)) = map.find(key) {
                        write!(out, "{value}")?;
                    }
                }
                out.write_str("}")
            }
            Self::Made(made) => write!(out, "{made}"),
            Self::Type(kind) => out.write_str(kind.name()),
            Self::Optional(None) => out.write_str("optional.none()"),
            Self::Optional(Some(value)) => write!(out, "optional({value})"),
            Self::Opaque(opaque) => write!(out, "{opaque}"),
            Self::Hidden(_) => out.write_str("unknown"),
        }
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantity(value) => write!(out, "{value}"),
            Self::Url(value) => out.write_str(value.text()),
            Self::Ip(value) => write!(out, "{value}"),
            Self::Cidr(value) => write!(out, "{value}"),
            Self::Semver(value) => write!(out, "{value}"),
            Self::Format(value) => out.write_str(value.name),
            Self::Check(value) => out.write_str(value.type_name()),
        }
    }
}
