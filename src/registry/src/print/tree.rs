//! Reading of trees whose shape is not certain: every step may be missing, none may fail.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A value that may be there.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(Option<&'a Value>);

impl<'a> Tree<'a> {
    pub(super) fn new(value: &'a Value) -> Self {
        Self(Some(value))
    }

    /// The value itself.
    pub(super) fn value(self) -> Option<&'a Value> {
        self.0
    }

    pub(super) fn get(self, field: &str) -> Self {
        Self(self.0.and_then(|v| v.get(field)).filter(|v| !v.is_null()))
    }

    pub(super) fn at(self, path: &[&str]) -> Self {
        path.iter().fold(self, |tree, step| tree.get(step))
    }

    pub(super) fn exists(self) -> bool {
        self.0.is_some()
    }

    /// This value, or another where it is missing.
    pub(super) fn or(self, other: Self) -> Self {
        if self.exists() { self } else { other }
    }

    pub(super) fn text(self) -> &'a str {
        self.0.and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn text_or(self, other: &'a str) -> &'a str {
        match self.text() {
            "" => other,
            text => text,
        }
    }

    pub(super) fn is(self, text: &str) -> bool {
        self.text() == text
    }

    pub(super) fn int(self) -> i64 {
        self.0.and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn flag(self) -> bool {
        self.0.and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn time(self) -> Option<Timestamp> {
        portcullis_api::time::parse(self.text())
    }

    /// The text as a cell.
    pub(super) fn cell(self) -> Value {
        self.text().into()
    }

    /// The number as a cell.
    pub(super) fn count(self) -> Value {
        self.int().into()
    }

    /// A number or a text, as text (`IntOrString`).
    pub(super) fn scalar(self) -> String {
        match self.0 {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// How many entries a list or map has.
    pub(super) fn len(self) -> usize {
        match self.0 {
            Some(Value::Array(list)) => list.len(),
            Some(Value::Object(map)) => map.len(),
            _ => 0,
        }
    }

    pub(super) fn list(self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + Clone {
        self.0.and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter().map(Self::new)
    }

    pub(super) fn nth(self, index: usize) -> Self {
        Self(self.0.and_then(|v| v.get(index)))
    }

    pub(super) fn map(self) -> Option<&'a Map<String, Value>> {
        self.0.and_then(Value::as_object)
    }

    /// The texts of a list.
    pub(super) fn texts(self) -> impl Iterator<Item = &'a str> {
        self.list().map(Self::text)
    }

    /// The first entry of a list whose `type` is the given one.
    pub(super) fn condition(self, r#type: &str) -> Self {
        self.list().find(|c| c.get("type").is(r#type)).unwrap_or(Self(None))
    }

    /// Whether a condition of a list of conditions is `True`.
    pub(super) fn condition_holds(self, r#type: &str) -> bool {
        self.condition(r#type).get("status").is("True")
    }
}

/// Texts, comma-separated.
pub(super) fn joined<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    texts.collect::<Vec<_>>().join(separator)
}

/// The first few entries, and how many more there are. Nothing at all is `<unset>`.
pub(super) fn first_few(entries: &[String], max: usize) -> String {
    let shown = entries.get(..max.min(entries.len())).unwrap_or_default().join(",");
    match entries.len().saturating_sub(max) {
        0 if shown.is_empty() => "<unset>".to_owned(),
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}
