//! Patches of stored objects: JSON patch, JSON merge patch and strategic merge patch. A server-side
//! apply is read here ([`Configuration`]) and done by [`crate::managed`].
//!
//! ```text
//! body -> Patch::parse -> Patch::apply on the tree as clients see it -> Schema::normalize -> defaults
//! ```

mod body;
mod configuration;
mod json;
mod merge;
mod strategic;

use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Object, Value};

pub use self::configuration::Configuration;
pub use self::json::JsonPatch;

pub(crate) use self::body::word;

use self::json::undecodable;
use crate::Schema;
use crate::decode::FieldValidation;
use crate::managed::go_plain;

/// The media types of patches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchType {
    /// `application/json-patch+json`
    Json,
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
    /// `application/apply-patch+yaml`
    Apply,
}

impl PatchType {
    /// All, in the order in which upstream lists what it accepts.
    pub const ALL: [Self; 4] = [Self::Json, Self::Merge, Self::Strategic, Self::Apply];

    /// The type that a `Content-Type` header names; parameters are ignored.
    pub fn from_content_type(header: &str) -> Option<Self> {
        let media = header.split(';').next().unwrap_or_default();
        Self::ALL.into_iter().find(|patch| patch.media_type() == media)
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// A patch that was read, to be applied to any state of the object it is for.
#[derive(Debug)]
pub struct Patch {
    content: Content,
    validation: FieldValidation,
    /// What strict validation objects to in the patch itself.
    notes: Vec<String>,
}

#[derive(Debug)]
enum Content {
    Json(JsonPatch),
    Merge(Value),
    Strategic(Value),
}

/// A patched object in normal form, without new defaults.
#[derive(Debug)]
pub struct Patched {
    /// The object.
    pub object: Object,
    /// What the client is warned of.
    pub warnings: Vec<String>,
}

impl Patch {
    /// Reads a patch. An apply configuration is no patch: see [`crate::managed::Tracker::apply`].
    pub fn parse(kind: PatchType, body: &[u8], validation: FieldValidation) -> Result<Self, ApiError> {
        let strict = validation != FieldValidation::Ignore;
        let read = |refuse: &dyn Fn(&str) -> ApiError| body::read(body).map_err(|why| refuse(&why));
        let mut notes = Vec::new();
        let content = match kind {
            PatchType::Json => {
                Content::Json(JsonPatch::parse(read(&|why| undecodable(strict, why))?, strict, &mut notes)?)
            }
            PatchType::Merge => {
                let refuse = |why: &str| undecodable(strict, if strict { why } else { "Invalid JSON Patch" });
                match object(read(&refuse)?, strict, &refuse, &mut notes)? {
                    Value::Null => return Err(ApiError::bad_request("Invalid JSON Patch")),
                    patch => Content::Merge(patch),
                }
            }
            PatchType::Strategic => {
                let refuse = |why: &str| ApiError::bad_request(why);
                Content::Strategic(object(read(&refuse)?, strict, &refuse, &mut notes)?)
            }
            PatchType::Apply => {
                return Err(ApiError::internal("an apply configuration was parsed as a patch"));
            }
        };
        Ok(Self { content, validation, notes })
    }

    /// Applies the patch to a tree. What comes out is not in normal form yet.
    pub fn apply(&self, schema: &Schema, current: &Object) -> Result<Object, ApiError> {
        let tree = match &self.content {
            Content::Json(patch) => patch.apply(current.map())?,
            Content::Merge(Value::Object(patch)) => {
                let mut tree = current.map().clone();
                merge::merge(&mut tree, patch);
                Value::Object(tree)
            }
            Content::Strategic(Value::Object(patch)) => {
                let Some(kind) = schema.built_in() else {
                    return Err(ApiError::internal("a custom object has no strategic merge patch"));
                };
                Value::Object(strategic::apply(kind.root(), current.map(), patch)?)
            }
            Content::Merge(other) => other.clone(),
            Content::Strategic(_) => return Ok(current.clone()),
        };
        match tree {
            Value::Object(map) => Ok(Object::new(map)),
            Value::Null => Err(self.refusal("null", "Object 'Kind' is missing in 'null'")),
            other => Err(self.refusal(
                &other.to_string(),
                &format!("json: cannot unmarshal {} into Go value of type struct", word(&other)),
            )),
        }
    }

    /// Applies the patch and brings the result into normal form. Unknown and duplicate fields, in the
    /// patch or its result, are refused or warned of as the request asks.
    pub fn run(&self, schema: &Schema, current: &Object) -> Result<Patched, ApiError> {
        let mut object = self.apply(schema, current)?;
        if !matches!(self.content, Content::Strategic(_))
            && schema.built_in().is_some()
            && names_none(&object)
        {
            // As upstream: what says of no kind that it is of it is read as nothing.
            object = Object::default();
        }
        let problems = match (&self.content, schema.built_in()) {
            (Content::Strategic(_), Some(kind)) => match kind.convert(nameless(&mut object), self.validation)
            {
                Ok(problems) => problems,
                Err(_) => {
                    object = self.apply(schema, current)?;
                    nameless(&mut object);
                    kind.fit(&mut object, self.validation).map_err(|why| self.unfit(schema, current, &why))?
                }
            },
            _ => schema
                .normalize(&mut object, self.validation)
                .map_err(|error| self.unfit(schema, current, error.message()))?,
        };
        let warnings: Vec<String> = self.notes.iter().cloned().chain(problems).collect();
        if warnings.is_empty() || self.validation != FieldValidation::Strict {
            return Ok(Patched { object, warnings });
        }
        let why = format!("strict decoding error: {}", warnings.join(", "));
        Err(self.refusal(&self.shown(schema, current), &why))
    }

    /// 422 for a result that does not fit the types; `why` is what is said of it.
    fn unfit(&self, schema: &Schema, current: &Object, why: &str) -> ApiError {
        self.refusal(&self.shown(schema, current), why)
    }

    /// What an error shows: the patched tree before it was made fit, or the strategic patch itself.
    fn shown(&self, schema: &Schema, current: &Object) -> String {
        match &self.content {
            Content::Strategic(patch) => go_plain(patch),
            _ => self.apply(schema, current).map(|tree| Value::from(tree).to_string()).unwrap_or_default(),
        }
    }

    /// 422 for a result that is no object of the kind.
    fn refusal(&self, shown: &str, why: &str) -> ApiError {
        ApiError::invalid("", "", "", &[Error::invalid(&Path::new("patch"), shown, why)])
    }
}

/// Whether the object says neither its version nor its kind.
fn names_none(object: &Object) -> bool {
    ["apiVersion", "kind"].iter().all(|name| object.get(name).is_none_or(Value::is_null))
}

/// The object without the names of its kind: what a strategic patch says there, upstream overlooks.
fn nameless(object: &mut Object) -> &mut Object {
    for name in ["apiVersion", "kind"] {
        if object.get(name).is_some_and(Value::is_string) {
            object.map_mut().remove(name);
        }
    }
    object
}

/// Applies the operations of a JSON patch to a tree; nothing if a test among them fails. What comes out is not in
/// normal form yet.
///
/// # Errors
/// What is wrong with the operations.
pub fn run_operations(operations: Value, current: &Object) -> Result<Option<Object>, String> {
    match json::run(operations, current.map())? {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(Object::new(map))),
        Some(other) => Err(format!("json: cannot unmarshal {} into Go value of type struct", word(&other))),
    }
}

/// The patch as an object; `null` stays what it is.
fn object(
    body: body::Body,
    strict: bool,
    refuse: &dyn Fn(&str) -> ApiError,
    notes: &mut Vec<String>,
) -> Result<Value, ApiError> {
    if !body.value.is_object() && !body.value.is_null() {
        let word = word(&body.value);
        return Err(refuse(&format!(
            "json: cannot unmarshal {word} into Go value of type map[string]interface {{}}"
        )));
    }
    if strict {
        notes.extend(body.duplicates);
    }
    Ok(body.value)
}

#[cfg(test)]
mod tests;
