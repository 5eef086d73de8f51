//! How a type is written in messages and in the table of signatures.

use std::fmt;

use super::{OPTIONAL, Type};

impl Type {
    /// The name of the type itself, without its parameters.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Error => "!error!",
            Self::Dyn => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(object) => object.name(),
            Self::Opaque(name, _) | Self::Param(name) => name,
            Self::Type(_) => "type",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Null => "null",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            other => other.name(),
        })?;
        let parameters = self.parameters();
        for (index, parameter) in parameters.iter().enumerate() {
            write!(out, "{}{parameter}", if index == 0 { "(" } else { ", " })?;
        }
        if parameters.is_empty() { Ok(()) } else { out.write_str(")") }
    }
}

/// Reads what [`Type`] writes; one capital letter is a parameter.
pub(crate) fn parse_type(text: &str) -> Type {
    let text = text.trim();
    let Some((name, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return plain(text);
    };
    let mut parameters = split(inner).into_iter().map(parse_type);
    let mut next = || parameters.next().unwrap_or(Type::Dyn);
    match name {
        "list" => Type::list(next()),
        "map" => {
            let key = next();
            Type::map(key, next())
        }
        "type" => Type::Type(Some(next().into())),
        OPTIONAL => Type::optional(next()),
        other => Type::Opaque(other.into(), parameters.collect()),
    }
}

fn plain(text: &str) -> Type {
    match text {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "type" => Type::Type(None),
        name if name.len() == 1 => Type::Param(name.into()),
        name if name.starts_with("net.") => Type::Opaque(name.into(), [].into()),
        name => Type::named(name),
    }
}

/// The parts between commas that stand in no parentheses.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).filter(|last| !last.trim().is_empty()));
    parts
}
