//! Formats of texts and numbers. A format that is not known for a type says nothing.

mod calendar;
mod codes;
mod email;
mod names;
mod uri;

use std::net::Ipv6Addr;

use portcullis_api::{Value, ip};

/// Whether a text has a format.
type Check = fn(&str) -> bool;

/// The formats of texts, without dashes, which upstream ignores.
const TEXTS: [(&str, Check); 26] = [
    ("bsonobjectid", codes::object_id),
    ("byte", codes::base64),
    ("cidr", |text| ip::Cidr::parse(text).is_some()),
    ("creditcard", codes::credit_card),
    ("date", calendar::date),
    ("datetime", calendar::date_time),
    ("duration", calendar::duration),
    ("email", email::check),
    ("hexcolor", codes::hex_color),
    ("hostname", names::hostname),
    ("ipv4", |text| text.contains('.') && ip::parse_sloppy(text).is_some()),
    ("ipv6", |text| text.contains(':') && text.parse::<Ipv6Addr>().is_ok()),
    ("isbn", |text| codes::isbn10(text) || codes::isbn13(text)),
    ("isbn10", codes::isbn10),
    ("isbn13", codes::isbn13),
    ("k8slongname", names::long),
    ("k8sshortname", names::short),
    ("mac", codes::mac),
    ("password", |_| true),
    ("rgbcolor", codes::rgb_color),
    ("ssn", codes::ssn),
    ("uri", uri::check),
    ("uuid", |text| codes::uuid(text, None)),
    ("uuid3", |text| codes::uuid(text, Some(b'3'))),
    ("uuid4", |text| codes::uuid(text, Some(b'4'))),
    ("uuid5", |text| codes::uuid(text, Some(b'5'))),
];

/// A format that is known.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    name: Box<str>,
    text: Option<Check>,
}

/// The formats that a JSON schema names, anywhere in it, and that say nothing of their type.
pub fn unrecognized_formats(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    collect(schema, &mut found);
    found
}

fn collect<'s>(schema: &'s Value, found: &mut Vec<&'s str>) {
    let Some(members) = schema.as_object() else { return };
    let named = schema.get("format").and_then(Value::as_str).filter(|name| !name.is_empty());
    found.extend(named.filter(|_| Format::of(schema).is_none()));
    for (name, value) in members {
        match (name.as_str(), value) {
            ("items" | "allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| collect(schema, found));
            }
            ("items" | "not" | "additionalProperties" | "additionalItems", schema) => collect(schema, found),
            ("properties" | "patternProperties" | "definitions" | "dependencies", Value::Object(schemas)) => {
                schemas.values().for_each(|schema| collect(schema, found));
            }
            _ => {}
        }
    }
}

impl Format {
    /// The format of a schema, where its type knows it.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let name = schema.get("format")?.as_str()?;
        let either = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
        let ty = schema.get("type").and_then(Value::as_str).filter(|_| !either).unwrap_or_default();
        let text = match ty {
            "" | "string" => Some(text_check(name)?),
            "integer" if matches!(name, "int32" | "int64") => None,
            "number" if matches!(name, "float" | "double") => None,
            _ => return None,
        };
        Some(Self { name: name.into(), text })
    }

    /// The name as it was written.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a format of texts.
    pub(crate) fn is_for_text(&self) -> bool {
        self.text.is_some()
    }

    /// Whether a text has the format.
    pub(crate) fn allows(&self, text: &str) -> bool {
        self.text.is_none_or(|check| check(text))
    }
}

fn text_check(name: &str) -> Option<Check> {
    let plain = name.replace('-', "");
    TEXTS.iter().find(|(known, _)| *known == plain).map(|(_, check)| *check)
}

#[cfg(test)]
mod tests;
