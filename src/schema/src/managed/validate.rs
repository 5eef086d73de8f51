//! Whether an object fits its shape, in upstream's words. Only applied configurations are checked: all
//! other trees went through decoding into their kind's structs.

use std::fmt::Write as _;

use portcullis_api::field::go_quote;
use portcullis_api::{Map, Value};

use super::element::Element;
use super::shape::{Entries, ListShape, MapShape, ScalarKind, Shape, ShapeRef};
use super::walk::entry_element;

/// What does not fit: paths and reasons.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Misfits(Vec<(String, String)>);

impl Misfits {
    /// All of them in one text; `None` if there are none.
    pub fn text(&self) -> Option<String> {
        let line = |(path, why): &(String, String)| {
            if path.is_empty() { why.clone() } else { format!("{path}: {why}") }
        };
        match self.0.as_slice() {
            [] => None,
            [one] => Some(line(one)),
            many => Some(many.iter().fold(String::from("errors:"), |mut out, one| {
                let _ = write!(out, "\n  {}", line(one));
                out
            })),
        }
    }
}

/// Checks an object. Entries with the same keys are a misfit unless `duplicates` are allowed.
pub fn misfits(shape: ShapeRef<'_>, object: &Value, duplicates: bool) -> Misfits {
    let mut walk = Walk { duplicates, path: String::new(), found: Misfits::default() };
    walk.value(shape, object);
    walk.found
}

struct Walk {
    duplicates: bool,
    path: String,
    found: Misfits,
}

impl Walk {
    fn value(&mut self, shape: ShapeRef<'_>, value: &Value) {
        if value.is_null() {
            return;
        }
        match (shape.get(), value) {
            (Shape::Scalar(kind), _) => self.scalar(*kind, value),
            (Shape::List(list), Value::Array(items)) => self.list(shape, list, items),
            (Shape::List(_), _) => self.misfit(format!("expected list, got {}", go_pointer(value))),
            (Shape::Map(map), Value::Object(object)) => self.map(shape, map, object),
            (Shape::Map(_), _) => self.misfit(format!("expected map, got {}", go_pointer(value))),
            (Shape::Opaque | Shape::Deduced | Shape::BuiltIn(_), _) => {}
        }
    }

    fn misfit(&mut self, why: String) {
        self.found.0.push((self.path.clone(), why));
    }

    fn scalar(&mut self, kind: ScalarKind, value: &Value) {
        let fits = match kind {
            ScalarKind::String => value.is_string(),
            ScalarKind::Number => value.is_number(),
            ScalarKind::Bool => value.is_boolean(),
            ScalarKind::Any => !value.is_array() && !value.is_object(),
        };
        if fits {
            return;
        }
        self.misfit(match kind {
            ScalarKind::Number => format!("expected numeric (int or float), got {}", go_type(value)),
            ScalarKind::String => {
                format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))
            }
            ScalarKind::Bool => format!("expected boolean, got {}", go_pointer(value)),
            ScalarKind::Any => format!("expected any scalar, got {}", go_pointer(value)),
        });
    }

    fn list(&mut self, shape: ShapeRef<'_>, list: &ListShape, items: &[Value]) {
        let mut seen: Vec<Element<'_>> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let element = if list.entries == Entries::Atomic {
                Element::Index(i64::try_from(at).unwrap_or(i64::MAX))
            } else {
                match entry_element(list, item) {
                    Ok(element) => element,
                    Err(why) => return self.misfit(format!("element {at}: {why}")),
                }
            };
            if list.entries != Entries::Atomic {
                match seen.binary_search(&element) {
                    Ok(_) if self.duplicates => {}
                    Ok(_) => self.misfit(format!("duplicate entries for key {element}")),
                    Err(place) => seen.insert(place, element.clone()),
                }
            }
            self.below(&element, shape.at(list.item), item);
        }
    }

    /// Stops at the first field that is not declared, as upstream does.
    fn map(&mut self, shape: ShapeRef<'_>, map: &MapShape, object: &Map<String, Value>) {
        for (name, value) in object {
            match map.value_shape(name) {
                Some(id) => self.below(&Element::field(name), shape.at(id), value),
                None => {
                    let path = format!("{}.{name}", self.path);
                    self.found.0.push((path, "field not declared in schema".to_owned()));
                    return;
                }
            }
        }
    }

    fn below(&mut self, element: &Element<'_>, shape: ShapeRef<'_>, value: &Value) {
        let length = self.path.len();
        let _ = write!(self.path, "{element}");
        self.value(shape, value);
        self.path.truncate(length);
    }
}

/// A value as Go's `%v` prints the wrapper around it.
fn go_pointer(value: &Value) -> String {
    format!("&{{{}}}", go_plain(value))
}

/// A value as Go's `%v` prints it.
pub(crate) fn go_plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => go_number(number),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(items) => format!("[{}]", join(items.iter().map(go_plain))),
        Value::Object(map) => {
            format!("map[{}]", join(map.iter().map(|(name, value)| format!("{name}:{}", go_plain(value)))))
        }
    }
}

fn go_number(number: &serde_json::Number) -> String {
    match (number.as_i64(), number.as_f64()) {
        (None, Some(float)) => super::scalar::go_float(float),
        _ => number.to_string(),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

/// A value as Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => go_quote(text),
        Value::Number(number) => go_number(number),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| format!("{}:{}", go_quote(name), go_syntax(value)));
            format!("map[string]interface {{}}{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Go's name of a decoded value's type.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::String(_) => "string",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
