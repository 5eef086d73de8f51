//! Parts of patches: what `Object{..}` and `JSONPatch{..}` make, and how they leave as JSON.
//!
//! An `Object` stands for a part of a configuration to apply: its type has the name of the path to it. What leaves is
//! written out in full and may be far larger than what was computed, so whoever asks says how large it may get.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::field::go_quote;
use serde_json::Value as Json;

use super::{List, Map, Val, equal, seconds_text};
use crate::error::Fault;
use crate::meter::Meter;

/// The type of a configuration.
pub(crate) const CONFIGURATION: &str = "Object";
/// The type of one step of a JSON patch.
pub(crate) const PATCH: &str = "JSONPatch";
/// The numbers that JSON's readers agree on.
const SAFE: u64 = 1 << 53;

type Fields<'v> = BTreeMap<Arc<str>, Val<'v>>;

/// A part of a patch.
#[derive(Clone, Debug)]
pub struct Made<'v> {
    name: Arc<str>,
    fields: Fields<'v>,
}

impl<'v> Made<'v> {
    /// A value of a type with these fields.
    pub(crate) fn value(name: Arc<str>, fields: Fields<'v>) -> Result<Val<'v>, Fault> {
        if &*name == PATCH {
            for (field, value) in &fields {
                check_step(field, value)?;
            }
        }
        Ok(Val::Made(Arc::new(Self { name, fields })))
    }

    /// The name of its type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_empty(&self) -> bool {
        &*self.name != PATCH && self.fields.is_empty()
    }

    /// A field, of what has fields to read: a step of a JSON patch.
    pub(crate) fn part(&self, field: &str) -> Option<Val<'v>> {
        if &*self.name != PATCH {
            return None;
        }
        let missing = || matches!(field, "op" | "path" | "from").then(|| Val::text(""));
        self.fields.get(field).cloned().or_else(missing)
    }

    pub(super) fn equal(&self, other: &Self, meter: &mut Meter) -> Result<bool, Fault> {
        if self.name != other.name || self.fields.len() != other.fields.len() {
            return Ok(false);
        }
        for (name, value) in &self.fields {
            match other.fields.get(name) {
                Some(other) if equal(value, other, meter)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The types within that do not have the names of the paths to them, in upstream's words.
    fn misnamed(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.visit(&self.name, &mut found);
        found
    }

    fn visit(&self, path: &str, found: &mut Vec<String>) {
        if &*self.name != path {
            found.push(format!(
                "unexpected type name {}, expected {}, which matches field name path from root Object type",
                go_quote(&self.name),
                go_quote(path)
            ));
        }
        for (field, value) in &self.fields {
            visit(value, &format!("{path}.{field}"), found);
        }
    }
}

fn visit(value: &Val<'_>, path: &str, found: &mut Vec<String>) {
    /// More complaints than this say nothing new.
    const ENOUGH: usize = 32;
    if found.len() >= ENOUGH {
        return;
    }
    match value {
        Val::Made(made) => made.visit(path, found),
        Val::List(List::Shared(values)) => values.iter().for_each(|value| visit(value, path, found)),
        Val::Map(Map::Shared(entries)) => entries.values().for_each(|(_, value)| visit(value, path, found)),
        _ => {}
    }
}

fn check_step(field: &str, value: &Val<'_>) -> Result<(), Fault> {
    match (field, value) {
        ("value", _) | ("op" | "path" | "from", Val::String(_)) => Ok(()),
        ("op" | "path" | "from", other) => {
            let kind = go_kind(other);
            Err(Fault::new(format!("unexpected type {kind} for JSONPatchType '{field}' field")))
        }
        _ => Err(Fault::new(format!("unexpected JSONPatchType field: {field}"))),
    }
}

/// Go's name of what holds a value.
fn go_kind(value: &Val<'_>) -> &'static str {
    match value {
        Val::Null => "structpb.NullValue",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int64",
        Val::Uint(_) => "uint64",
        Val::Double(_) => "float64",
        Val::String(_) => "string",
        Val::Bytes(_) => "[]uint8",
        Val::List(_) => "[]ref.Val",
        Val::Map(_) => "map[ref.Val]ref.Val",
        Val::Timestamp(_) => "time.Time",
        Val::Duration(_) => "time.Duration",
        _ => "*types.Type",
    }
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{{", self.name)?;
        for (index, (name, value)) in self.fields.iter().enumerate() {
            write!(out, "{}{name}: {value}", if index == 0 { "" } else { ", " })?;
        }
        out.write_str("}")
    }
}

impl Val<'_> {
    /// The configuration that an expression made, at most so many octets of it.
    ///
    /// # Errors
    /// In upstream's words, when it is none.
    pub fn to_configuration(&self, most: usize) -> Result<serde_json::Map<String, Json>, String> {
        let Self::Made(made) = self else {
            return Err(format!(
                "unsupported return type from ApplyConfiguration expression: {}",
                self.kind().name()
            ));
        };
        let misnamed = made.misnamed();
        if !misnamed.is_empty() {
            return Err(format!("type mismatch: {}", misnamed.join("\n")));
        }
        Writer { left: most, safe: false }.fields(&made.fields)
    }

    /// The steps of the JSON patch that an expression made, at most so many octets of them.
    ///
    /// # Errors
    /// In upstream's words, when it is none.
    pub fn to_json_patch(&self, most: usize) -> Result<Json, String> {
        let Self::List(list) = self else {
            return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
        };
        let mut writer = Writer { left: most, safe: true };
        let mut steps = Vec::new();
        for value in list.iter() {
            let value = value.map_err(|fault| crate::EvalError::from(fault).to_string())?;
            match value {
                Val::Made(made) if &*made.name == PATCH => steps.push(writer.step(&made)?),
                other => {
                    return Err(format!(
                        "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch: \
                         cannot convert to native type: {}",
                        other.kind().name()
                    ));
                }
            }
        }
        Ok(Json::Array(steps))
    }
}

/// Writes values as JSON.
struct Writer {
    /// How many octets more there may be.
    left: usize,
    /// Whether whole numbers that JSON's readers do not agree on become text.
    safe: bool,
}

impl Writer {
    fn take(&mut self, octets: usize) -> Result<(), String> {
        let left = self.left.checked_sub(octets.saturating_add(2));
        self.left = left.ok_or_else(|| "the value is too large to be part of an object".to_owned())?;
        Ok(())
    }

    fn step(&mut self, made: &Made<'_>) -> Result<Json, String> {
        let mut step = serde_json::Map::new();
        for name in ["op", "path", "from"] {
            let text = made.fields.get(name).and_then(Val::as_str).unwrap_or_default();
            if name != "from" || !text.is_empty() {
                self.take(name.len() + text.len())?;
                step.insert(name.to_owned(), text.into());
            }
        }
        if let Some(value) = made.fields.get("value") {
            if let Val::Made(inner) = value {
                let misnamed = inner.misnamed();
                if !misnamed.is_empty() {
                    return Err(format!("type mismatch: {}", misnamed.join("\n")));
                }
            }
            step.insert("value".to_owned(), self.value(value)?);
        }
        Ok(Json::Object(step))
    }

    fn fields(&mut self, fields: &Fields<'_>) -> Result<serde_json::Map<String, Json>, String> {
        let mut object = serde_json::Map::new();
        for (name, value) in fields {
            self.take(name.len())?;
            object.insert(name.to_string(), self.value(value)?);
        }
        Ok(object)
    }

    fn value(&mut self, value: &Val<'_>) -> Result<Json, String> {
        self.take(0)?;
        Ok(match value {
            Val::Null | Val::Optional(None) => Json::Null,
            Val::Bool(value) => Json::Bool(*value),
            Val::Int(value) if self.safe && value.unsigned_abs() > SAFE => value.to_string().into(),
            Val::Int(value) => (*value).into(),
            Val::Uint(value) if self.safe && *value > SAFE => value.to_string().into(),
            Val::Uint(value) => (*value).into(),
            Val::Double(value) => {
                serde_json::Number::from_f64(*value).map(Json::Number).ok_or("no JSON number")?
            }
            Val::String(text) => self.text(text.as_str())?,
            Val::Bytes(bytes) => {
                self.take(bytes.len().saturating_mul(2))?;
                STANDARD.encode(bytes).into()
            }
            Val::Timestamp(moment) => self.text(&moment.to_string())?,
            Val::Duration(nanoseconds) => self.text(&seconds_text(*nanoseconds))?,
            Val::List(list) => self.list(list)?,
            Val::Map(map) => self.map(map)?,
            Val::Made(made) => Json::Object(self.fields(&made.fields)?),
            Val::Optional(Some(inner)) => self.value(inner)?,
            Val::Hidden(json) => self.plain(json)?,
            Val::Opaque(_) | Val::Type(_) => {
                return Err(format!("a value of type {} could not marshal to JSON", value.kind().name()));
            }
        })
    }

    fn text(&mut self, text: &str) -> Result<Json, String> {
        self.take(text.len())?;
        Ok(text.into())
    }

    fn list(&mut self, list: &List<'_>) -> Result<Json, String> {
        let values = list
            .iter()
            .map(|value| self.value(&value.map_err(|fault| crate::EvalError::from(fault).to_string())?));
        values.collect::<Result<_, String>>().map(Json::Array)
    }

    fn map(&mut self, map: &Map<'_>) -> Result<Json, String> {
        if let Map::Json(object, shape) = map
            && shape.is_any()
        {
            let fields = object.iter().map(|(name, value)| {
                self.take(name.len())?;
                Ok((name.clone(), self.plain(value)?))
            });
            return fields.collect::<Result<_, String>>().map(Json::Object);
        }
        let mut object = serde_json::Map::new();
        for (key, value) in map.entries() {
            let Val::String(name) = &key else {
                return Err(format!(
                    "map key {} is of type types.{}, not string",
                    go_quote(&key.to_string()),
                    titled(&key)
                ));
            };
            self.take(name.as_str().len())?;
            object.insert(name.as_str().to_owned(), self.value(&value)?);
        }
        Ok(Json::Object(object))
    }

    /// A part of the data; it is as large as it is.
    fn plain(&mut self, json: &Json) -> Result<Json, String> {
        self.take(weight(json))?;
        Ok(json.clone())
    }
}

/// Go's name of the type of a key.
fn titled(key: &Val<'_>) -> &'static str {
    match key {
        Val::Bool(_) => "Bool",
        Val::Int(_) => "Int",
        Val::Uint(_) => "Uint",
        Val::Double(_) => "Double",
        _ => "Val",
    }
}

/// About how many octets a part of the data is.
fn weight(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => {
            items.iter().map(|item| weight(item).saturating_add(2)).fold(0, usize::saturating_add)
        }
        Json::Object(object) => {
            let fields =
                object.iter().map(|(name, value)| name.len().saturating_add(weight(value)).saturating_add(4));
            fields.fold(0, usize::saturating_add)
        }
        _ => 4,
    }
}
