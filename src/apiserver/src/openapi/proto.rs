//! The document of version 2 as the protobuf message `openapi.v2.Document` that older clients read.
//!
//! A message is written as a list of rules: which key of the JSON tree goes to which field number and
//! how. The rules cover what our documents hold, extensions as YAML text included.

use portcullis_api::{Map, Value};

/// How a JSON value is written.
#[derive(Clone, Copy)]
enum As {
    Text,
    Flag,
    /// A list of strings as a repeated field.
    Texts,
    /// A value of any type, as YAML text in a message `Any`.
    Any,
    /// A list of such values.
    Anys,
    /// A message with rules of its own.
    Message(&'static Rules),
    /// A list of messages.
    Messages(&'static Rules),
    /// A map as a message of repeated named entries: the entries' field number and the values' form.
    Named(u32, &'static As),
    /// A message that only wraps one field.
    Wrapped(u32, &'static As),
    /// A string or list of strings as the message `TypeItem`.
    Type,
    /// A parameter in one of its two forms.
    Parameter,
}

struct Rules {
    fields: &'static [(&'static str, u32, As)],
    /// Where keys that begin with `x-` go.
    extensions: u32,
}

static DOCUMENT: Rules = Rules {
    fields: &[
        ("swagger", 1, As::Text),
        ("info", 2, As::Message(&INFO)),
        ("paths", 8, As::Named(2, &As::Message(&PATH_ITEM))),
        ("definitions", 9, As::Named(1, &As::Message(&SCHEMA))),
        ("security", 12, As::Messages(&REQUIREMENT)),
        ("securityDefinitions", 13, As::Named(1, &As::Wrapped(2, &As::Message(&API_KEY)))),
    ],
    extensions: 16,
};

static INFO: Rules = Rules { fields: &[("title", 1, As::Text), ("version", 2, As::Text)], extensions: 7 };

/// `SecurityRequirement` is a map itself; ours always asks for the bearer token.
static REQUIREMENT: Rules = Rules { fields: &[("BearerToken", 1, As::Message(&BEARER))], extensions: 99 };
static BEARER: Rules = Rules { fields: &[], extensions: 99 };

static API_KEY: Rules = Rules {
    fields: &[
        ("type", 1, As::Text),
        ("name", 2, As::Text),
        ("in", 3, As::Text),
        ("description", 4, As::Text),
    ],
    extensions: 5,
};

static PATH_ITEM: Rules = Rules {
    fields: &[
        ("get", 2, As::Message(&OPERATION)),
        ("put", 3, As::Message(&OPERATION)),
        ("post", 4, As::Message(&OPERATION)),
        ("delete", 5, As::Message(&OPERATION)),
        ("patch", 8, As::Message(&OPERATION)),
        ("parameters", 9, As::Parameter),
    ],
    extensions: 10,
};

static OPERATION: Rules = Rules {
    fields: &[
        ("tags", 1, As::Texts),
        ("description", 3, As::Text),
        ("operationId", 5, As::Text),
        ("produces", 6, As::Texts),
        ("consumes", 7, As::Texts),
        ("parameters", 8, As::Parameter),
        ("responses", 9, As::Named(1, &As::Wrapped(1, &As::Message(&RESPONSE)))),
        ("schemes", 10, As::Texts),
    ],
    extensions: 13,
};

static RESPONSE: Rules = Rules {
    fields: &[("description", 1, As::Text), ("schema", 2, As::Wrapped(1, &As::Message(&SCHEMA)))],
    extensions: 5,
};

static BODY_PARAMETER: Rules = Rules {
    fields: &[
        ("description", 1, As::Text),
        ("name", 2, As::Text),
        ("in", 3, As::Text),
        ("required", 4, As::Flag),
        ("schema", 5, As::Message(&SCHEMA)),
    ],
    extensions: 6,
};

static QUERY_PARAMETER: Rules = Rules {
    fields: &[
        ("required", 1, As::Flag),
        ("in", 2, As::Text),
        ("description", 3, As::Text),
        ("name", 4, As::Text),
        ("type", 6, As::Text),
        ("uniqueItems", 20, As::Flag),
    ],
    extensions: 23,
};

static PATH_PARAMETER: Rules = Rules {
    fields: &[
        ("required", 1, As::Flag),
        ("in", 2, As::Text),
        ("description", 3, As::Text),
        ("name", 4, As::Text),
        ("type", 5, As::Text),
        ("uniqueItems", 19, As::Flag),
    ],
    extensions: 22,
};

static SCHEMA: Rules = Rules {
    fields: &[
        ("$ref", 1, As::Text),
        ("format", 2, As::Text),
        ("description", 4, As::Text),
        ("default", 5, As::Any),
        ("required", 19, As::Texts),
        ("enum", 20, As::Anys),
        ("additionalProperties", 21, As::Wrapped(1, &As::Message(&SCHEMA))),
        ("type", 22, As::Type),
        ("items", 23, As::Wrapped(1, &As::Message(&SCHEMA))),
        ("properties", 25, As::Named(1, &As::Message(&SCHEMA))),
    ],
    extensions: 31,
};

/// A schema within a schema within a … is data of ours and not deep; this only keeps a mistake finite.
const MAX_DEPTH: u8 = 64;

/// Writes a document.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if let Value::Object(map) = document {
        message(&DOCUMENT, map, MAX_DEPTH, &mut out);
    }
    out
}

fn message(rules: &Rules, map: &Map<String, Value>, depth: u8, out: &mut Vec<u8>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for (key, number, form) in rules.fields {
        if let Some(value) = map.get(*key) {
            field(*number, *form, value, depth, out);
        }
    }
    for (key, value) in map.iter().filter(|(key, _)| key.starts_with("x-")) {
        let mut named = Vec::new();
        text(1, key, &mut named);
        field(2, As::Any, value, depth, &mut named);
        block(rules.extensions, &named, out);
    }
}

fn field(number: u32, form: As, value: &Value, depth: u8, out: &mut Vec<u8>) {
    match (form, value) {
        (As::Text, Value::String(value)) => text(number, value, out),
        (As::Flag, Value::Bool(true)) => {
            varint(u64::from(number) << 3, out);
            out.push(1);
        }
        (As::Texts, Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).for_each(|value| text(number, value, out));
        }
        (As::Any, value) => {
            let mut any = Vec::new();
            text(2, &format!("{value}\n"), &mut any);
            block(number, &any, out);
        }
        (As::Anys, Value::Array(list)) => {
            list.iter().for_each(|value| field(number, As::Any, value, depth, out))
        }
        (As::Message(rules), Value::Object(map)) => {
            let mut inner = Vec::new();
            message(rules, map, depth, &mut inner);
            block(number, &inner, out);
        }
        // An empty list of scopes, where a requirement holds one.
        (As::Message(_), Value::Array(_)) => block(number, &named_entry("BearerToken", &[]), out),
        (As::Messages(rules), Value::Array(list)) => {
            list.iter().for_each(|value| field(number, As::Message(rules), value, depth, out));
        }
        (As::Named(entry, form), Value::Object(map)) => {
            let mut all = Vec::new();
            for (name, value) in map {
                let mut inner = Vec::new();
                text(1, name, &mut inner);
                field(2, *form, value, depth, &mut inner);
                block(entry, &inner, &mut all);
            }
            block(number, &all, out);
        }
        (As::Wrapped(inner_number, form), value) => {
            let mut inner = Vec::new();
            field(inner_number, *form, value, depth, &mut inner);
            block(number, &inner, out);
        }
        (As::Type, Value::String(value)) => {
            let mut item = Vec::new();
            text(1, value, &mut item);
            block(number, &item, out);
        }
        (As::Parameter, Value::Array(list)) => {
            list.iter().filter_map(Value::as_object).for_each(|map| parameter(number, map, depth, out));
        }
        _ => {}
    }
}

/// `ParametersItem { Parameter { BodyParameter | NonBodyParameter { Query… | Path… } } }`
fn parameter(number: u32, map: &Map<String, Value>, depth: u8, out: &mut Vec<u8>) {
    let (rules, place): (&Rules, &[u32]) = match map.get("in").and_then(Value::as_str) {
        Some("body") => (&BODY_PARAMETER, &[1, 1]),
        Some("path") => (&PATH_PARAMETER, &[4, 2, 1]),
        _ => (&QUERY_PARAMETER, &[3, 2, 1]),
    };
    let mut inner = Vec::new();
    message(rules, map, depth, &mut inner);
    for number in place {
        let mut outer = Vec::new();
        block(*number, &inner, &mut outer);
        inner = outer;
    }
    block(number, &inner, out);
}

fn named_entry(name: &str, value: &[u8]) -> Vec<u8> {
    let mut entry = Vec::new();
    text(1, name, &mut entry);
    block(2, value, &mut entry);
    entry
}

fn text(number: u32, value: &str, out: &mut Vec<u8>) {
    block(number, value.as_bytes(), out);
}

fn block(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_their_numbers() {
        let bytes = document(&json!({ "swagger": "2.0", "info": { "title": "K", "version": "v" } }));
        assert_eq!(bytes, b"\x0a\x032.0\x12\x06\x0a\x01K\x12\x01v");
        let bytes = document(&json!({ "definitions": { "A": { "type": "object", "x-k": 1 } } }));
        // 9: { 1: { 1: "A", 2: Schema { 22: { 1: "object" }, 31: { 1: "x-k", 2: { 2: "1\n" } } } } }
        let schema = b"\xb2\x01\x08\x0a\x06object\xfa\x01\x0b\x0a\x03x-k\x12\x04\x12\x021\n";
        let mut named = b"\x0a\x01A\x12".to_vec();
        named.push(schema.len() as u8);
        named.extend_from_slice(schema);
        let mut want = vec![0x4a, named.len() as u8 + 2, 0x0a, named.len() as u8];
        want.extend_from_slice(&named);
        assert_eq!(bytes, want);
    }
}
