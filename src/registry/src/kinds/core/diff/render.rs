//! Values in upstream's internal form, as lines of indented JSON.

use std::collections::HashMap;
use std::sync::LazyLock;

use portcullis_api::{Map, Value};

/// Fields that the wire has in the pod's spec and the internal form in its security context.
const MOVED: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];

struct Field {
    go: &'static str,
    wire: &'static str,
    kind: &'static str,
}

static STRUCTS: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let mut structs: HashMap<&str, Vec<Field>> = HashMap::new();
    for row in include_str!("internal.tsv").lines() {
        let mut columns = row.split('\t');
        let (Some(name), Some(go), Some(wire), Some(kind)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        structs.entry(name).or_default().push(Field { go, wire, kind });
    }
    structs
});

/// The lines of a value, each with its line break.
pub(super) fn pretty(structure: &str, value: &Value) -> Vec<String> {
    let moved;
    let value = if structure == "PodSpec" {
        moved = with_host_flags(value);
        &moved
    } else {
        value
    };
    let mut text = String::new();
    write_kind(structure, Some(value), 0, &mut text);
    text.split('\n').map(|line| format!("{line}\n")).collect()
}

/// A value on one line.
pub(super) fn compact(structure: &str, value: &Value) -> String {
    // What stands at the end of a line is not part of a text: texts have their line breaks escaped.
    let lines = pretty(structure, value);
    lines
        .iter()
        .map(|line| line.trim_start_matches(' ').trim_end_matches('\n').replacen("\": ", "\":", 1))
        .collect()
}

fn with_host_flags(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(map) = spec.as_object_mut() else { return spec };
    let flags: Vec<(&str, Value)> =
        MOVED.iter().filter_map(|field| Some((*field, map.get(*field)?.clone()))).collect();
    let context = map.entry("securityContext").or_insert_with(|| Value::Object(Map::new()));
    if let Some(context) = context.as_object_mut() {
        context.extend(flags.into_iter().map(|(field, value)| (field.to_owned(), value)));
    }
    spec
}

fn write_kind(kind: &str, value: Option<&Value>, depth: usize, out: &mut String) {
    if let Some(inner) = kind.strip_prefix('*') {
        return match value {
            Some(value) => write_kind(inner, Some(value), depth, out),
            None => out.push_str("null"),
        };
    }
    if let Some(inner) = kind.strip_prefix("[]") {
        return match value.and_then(Value::as_array) {
            Some(list) if !list.is_empty() => {
                write_block(['[', ']'], list.iter().map(|item| (None, inner, Some(item))), depth, out);
            }
            _ => out.push_str("null"),
        };
    }
    match (kind, value) {
        ("map" | "raw", Some(Value::Object(map))) if !map.is_empty() => {
            write_block(
                ['{', '}'],
                map.iter().map(|(key, item)| (Some(key.as_str()), "raw", Some(item))),
                depth,
                out,
            );
        }
        ("raw", Some(Value::Array(list))) if !list.is_empty() => {
            write_block(['[', ']'], list.iter().map(|item| (None, "raw", Some(item))), depth, out);
        }
        ("map", _) | ("raw", None) => out.push_str("null"),
        ("string", None) => out.push_str("\"\""),
        ("quantity", None) => out.push_str("\"0\""),
        ("int", None) => out.push('0'),
        ("bool", None) => out.push_str("false"),
        (kind, value) => match STRUCTS.get(kind) {
            Some(fields) => {
                let parts = fields.iter().map(|f| (Some(f.go), f.kind, value.and_then(|v| v.get(f.wire))));
                write_block(['{', '}'], parts, depth, out);
            }
            None => out.push_str(&escaped(value.unwrap_or(&Value::Null))),
        },
    }
}

fn write_block<'a>(
    [open, close]: [char; 2],
    parts: impl Iterator<Item = (Option<&'a str>, &'a str, Option<&'a Value>)>,
    depth: usize,
    out: &mut String,
) {
    out.push(open);
    let mut first = true;
    for (name, kind, value) in parts {
        out.push_str(if first { "\n" } else { ",\n" });
        first = false;
        out.extend(std::iter::repeat_n(' ', depth + 1));
        if let Some(name) = name {
            out.push_str(&escaped(&Value::from(name)));
            out.push_str(": ");
        }
        write_kind(kind, value, depth + 1, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', depth));
    out.push(close);
}

/// JSON as Go writes it: safe to paste into HTML.
fn escaped(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
