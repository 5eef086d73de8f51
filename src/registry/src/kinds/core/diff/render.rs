//! Values in upstream's internal form, as JSON: on one line, or in lines for a diff.

use std::collections::HashMap;
use std::sync::LazyLock;

use portcullis_api::{Map, Value};

/// Fields that the wire has in the pod's spec and the internal form in its security context.
const MOVED: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];

struct Field {
    go: &'static str,
    wire: &'static str,
    kind: &'static str,
    omitted: bool,
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
        let omitted = kind.ends_with('?');
        let kind = kind.trim_end_matches('?');
        structs.entry(name).or_default().push(Field { go, wire, kind, omitted });
    }
    structs
});

impl Field {
    fn of<'a>(&self, value: Option<&'a Value>) -> Option<&'a Value> {
        match self.wire {
            "." => value,
            "-" => None,
            path => path.split('.').try_fold(value?, |value, step| value.get(step)),
        }
    }

    fn is_left_out(&self, value: Option<&Value>) -> bool {
        self.omitted
            && match value {
                None | Some(Value::Null | Value::Bool(false)) => true,
                Some(Value::String(text)) => text.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Number(number)) => number.as_i64() == Some(0),
                Some(Value::Bool(true)) => false,
            }
    }
}

/// The lines of a value, each with its line break.
pub(super) fn pretty(kind: &str, value: &Value) -> Vec<String> {
    let mut writer = Writer { out: String::new(), in_lines: true };
    writer.write(kind, Some(value), 0);
    writer.out.split('\n').map(|line| format!("{line}\n")).collect()
}

/// A value on one line.
pub(super) fn compact(kind: &str, value: Option<&Value>) -> String {
    let mut writer = Writer { out: String::new(), in_lines: false };
    writer.write(kind, value, 0);
    writer.out
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

struct Writer {
    out: String,
    in_lines: bool,
}

impl Writer {
    fn write(&mut self, kind: &str, value: Option<&Value>, depth: usize) {
        let value = value.filter(|value| !value.is_null());
        if let Some(inner) = kind.strip_prefix('*') {
            match value {
                Some(value) => self.write(inner, Some(value), depth),
                None => self.out.push_str("null"),
            }
        } else if let Some(inner) = kind.strip_prefix("[]") {
            match value.and_then(Value::as_array) {
                Some(list) if !list.is_empty() => {
                    self.block(['[', ']'], list.iter().map(|item| (None, inner, Some(item))), depth);
                }
                _ => self.out.push_str("null"),
            }
        } else if let Some(inner) = kind.strip_prefix("map:") {
            self.write_map(inner, value, depth);
        } else {
            self.write_one(kind, value, depth);
        }
    }

    fn write_map(&mut self, inner: &str, value: Option<&Value>, depth: usize) {
        match value.and_then(Value::as_object) {
            Some(map) if !map.is_empty() => {
                let parts = map.iter().map(|(key, item)| (Some(key.as_str()), inner, Some(item)));
                self.block(['{', '}'], parts, depth);
            }
            _ => self.out.push_str("null"),
        }
    }

    fn write_one(&mut self, kind: &str, value: Option<&Value>, depth: usize) {
        if let Some(fields) = STRUCTS.get(kind) {
            let moved = value.filter(|_| kind == "PodSpec").map(with_host_flags);
            let value = moved.as_ref().or(value);
            let parts = fields
                .iter()
                .map(|field| (field, field.of(value)))
                .filter(|(field, value)| !field.is_left_out(*value))
                .map(|(field, value)| (Some(field.go), field.kind, value));
            return self.block(['{', '}'], parts, depth);
        }
        match (kind, value) {
            (_, Some(value)) => self.out.push_str(&escaped(value)),
            ("string", None) => self.out.push_str("\"\""),
            ("quantity", None) => self.out.push_str("\"0\""),
            ("int" | "intorstring", None) => self.out.push('0'),
            ("bool", None) => self.out.push_str("false"),
            (_, None) => self.out.push_str("null"),
        }
    }

    fn block<'a>(
        &mut self,
        [open, close]: [char; 2],
        parts: impl Iterator<Item = (Option<&'a str>, &'a str, Option<&'a Value>)>,
        depth: usize,
    ) {
        self.out.push(open);
        let mut empty = true;
        for (name, kind, value) in parts {
            if !std::mem::take(&mut empty) {
                self.out.push(',');
            }
            self.line(depth + 1);
            if let Some(name) = name {
                self.out.push_str(&escaped(&Value::from(name)));
                self.out.push_str(if self.in_lines { ": " } else { ":" });
            }
            self.write(kind, value, depth + 1);
        }
        if !empty {
            self.line(depth);
        }
        self.out.push(close);
    }

    fn line(&mut self, depth: usize) {
        if self.in_lines {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', depth));
        }
    }
}

/// JSON as Go writes it: safe to paste into HTML.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
