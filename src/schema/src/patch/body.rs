//! Reads a patch's JSON: a tree, and which keys were there twice.

use std::fmt;

use portcullis_api::field::go_quote;
use portcullis_api::{Map, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::decode::syntax::mistake;

/// As many duplicates as upstream reports.
const MAX_DUPLICATES: usize = 100;

/// A patch as a tree.
pub(super) struct Body {
    pub(super) value: Value,
    /// `duplicate field "a.b"`, in the order of the text.
    pub(super) duplicates: Vec<String>,
}

/// Reads a patch; fails in Go's words.
pub(super) fn read(text: &[u8]) -> Result<Body, String> {
    let mut path = Path { text: String::new(), duplicates: Vec::new() };
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = Reader(&mut path).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    match value {
        Ok(value) => Ok(Body { value, duplicates: path.duplicates }),
        Err(error) => Err(mistake(text).unwrap_or_else(|| {
            let deep = error.to_string().starts_with("recursion limit");
            if deep { "exceeded max depth".to_owned() } else { "invalid JSON".to_owned() }
        })),
    }
}

/// Go's word for a value in errors of type.
pub(crate) fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

struct Path {
    text: String,
    duplicates: Vec<String>,
}

impl Path {
    fn step<T>(&mut self, step: &dyn fmt::Display, read: impl FnOnce(&mut Self) -> T) -> T {
        use fmt::Write as _;
        let length = self.text.len();
        let _ = write!(self.text, "{step}");
        let out = read(self);
        self.text.truncate(length);
        out
    }

    fn key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.text.is_empty() { "" } else { "." };
        self.step(&format_args!("{dot}{key}"), read)
    }

    fn duplicate(&mut self) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(format!("duplicate field {}", go_quote(&self.text)));
        }
    }
}

/// Reads one value; the recursion is bounded by the parser.
struct Reader<'p>(&'p mut Path);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            let index = out.len();
            let item =
                self.0.step(&format_args!("[{index}]"), |path| items.next_element_seed(Reader(path)))?;
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let known = out.contains_key(&key);
            let value = self.0.key(&key, |path| {
                if known {
                    path.duplicate();
                }
                members.next_value_seed(Reader(path))
            });
            out.insert(key, value.map_err(A::Error::custom)?);
        }
        Ok(Value::Object(out))
    }
}
