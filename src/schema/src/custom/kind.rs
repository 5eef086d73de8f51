//! One version of a custom kind: how bodies become trees and trees objects.
//!
//! Nothing is known of these objects but their head (`apiVersion`, `kind`, `metadata`) and what the
//! definition's schema says. The head is read as built-in kinds read it.

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, GroupVersion, Gvk, Object, Value};

use super::{Malformed, Structural, TooManyDefaults};
use crate::decode::{self, DecodeError, Decoded, FieldValidation, MediaType};
use crate::managed::{Tracker, Versions, Writable};

/// The compiled schema of one version of a custom kind.
#[derive(Debug)]
pub struct CustomKind {
    gvk: Gvk,
    api_version: String,
    structural: Structural,
    /// What owners are compared with when an object is created.
    empty: Object,
}

impl CustomKind {
    /// A kind whose objects follow a compiled schema.
    pub fn new(gvk: Gvk, structural: Structural) -> Self {
        let api_version = gvk.gv.to_string();
        let mut empty = Object::default();
        empty.map_mut().insert("apiVersion".to_owned(), api_version.clone().into());
        empty.map_mut().insert("kind".to_owned(), (&*gvk.kind).into());
        Self { gvk, api_version, structural, empty }
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> &Gvk {
        &self.gvk
    }

    /// What `apiVersion` says.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// What the definition says of its objects.
    pub fn structural(&self) -> &Structural {
        &self.structural
    }

    /// Reads a request body; defaults are not filled in yet.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn decode_body(
        &self,
        body: &[u8],
        media: MediaType,
        validation: FieldValidation,
    ) -> Result<Decoded, ApiError> {
        let decoded =
            self.decode(body, media, validation).and_then(|decoded| match decoded.problems.as_slice() {
                [_, ..] if validation == FieldValidation::Strict => {
                    Err(DecodeError::strict(&self.gvk, &decoded.problems))
                }
                _ => Ok(decoded),
            });
        decoded.map_err(|error| error.into_api_error(&self.gvk.kind, &self.api_version, body))
    }

    fn decode(
        &self,
        body: &[u8],
        media: MediaType,
        validation: FieldValidation,
    ) -> Result<Decoded, DecodeError> {
        let untyped = decode::decode_untyped(body, media)?;
        self.identify(&untyped.value, body)?;
        let mut object = Object::new(into_map(untyped.value));
        let mut problems = untyped.problems;
        problems.extend(self.coerce(&mut object, validation)?);
        if validation == FieldValidation::Ignore {
            problems.clear();
        }
        Ok(Decoded { object, problems })
    }

    /// Brings a tree into normal form and tells what was dropped.
    ///
    /// # Errors
    /// What upstream says of a tree that no object of the kind can hold.
    pub fn normalize(
        &self,
        object: &mut Object,
        validation: FieldValidation,
    ) -> Result<Vec<String>, DecodeError> {
        let tree = Value::Object(std::mem::take(object.map_mut()));
        let data = || tree.to_string();
        self.identify_tree(&tree, &data)?;
        *object = Object::new(into_map(tree));
        let problems = self.coerce(object, validation)?;
        Ok(if validation == FieldValidation::Ignore { Vec::new() } else { problems })
    }

    /// Fills in the defaults of the schema.
    ///
    /// # Errors
    /// When the defaults would make the object larger than any object may be.
    pub fn fill_defaults(&self, object: &mut Object) -> Result<(), TooManyDefaults> {
        if object.kind() == &*self.gvk.kind { self.structural.default(object) } else { Ok(()) }
    }

    /// Drops what the schema does not specify, as happens to every object on its way to and from storage.
    pub fn prune(&self, object: &mut Object) -> Vec<String> {
        self.structural.prune(object)
    }

    /// Tracks the owners of its objects' fields at one endpoint.
    pub fn tracker<'k>(
        &'k self,
        subresource: &'k str,
        writable: Writable<'k>,
        versions: &'k dyn Versions,
    ) -> Tracker<'k> {
        Tracker {
            shape: self.structural.shape().shape(),
            api_version: &self.api_version,
            kind: &self.gvk.kind,
            subresource,
            empty: &self.empty,
            writable,
            versions,
        }
    }

    fn identify(&self, value: &Value, body: &[u8]) -> Result<(), DecodeError> {
        self.identify_tree(value, &|| String::from_utf8_lossy(body).into_owned())
    }

    /// Checks `apiVersion` and `kind`. A kind of another name is let through: the rules refuse it.
    fn identify_tree(&self, value: &Value, data: &dyn Fn() -> String) -> Result<(), DecodeError> {
        let (api_version, kind) = decode::type_meta(value)?;
        let Some(gv) = GroupVersion::parse(api_version) else {
            return Err(unrecognized(format!("unexpected GroupVersion string: {api_version}")));
        };
        if kind.is_empty() {
            let own = gv.version.is_empty() && (gv.group.is_empty() || gv.group == self.gvk.gv.group);
            let version = if own { &self.gvk.gv.version } else { &gv.version };
            let message = format!("Object 'Kind' is missing in '{}'", data());
            return Err(self.mishandled(&self.gvk.kind, version, message));
        }
        if gv != self.gvk.gv {
            return Err(DecodeError::OtherVersion { found: gv.to_string() });
        }
        Ok(())
    }

    /// Metadata as built-in kinds have it, and nothing that is not specified.
    fn coerce(&self, object: &mut Object, validation: FieldValidation) -> Result<Vec<String>, DecodeError> {
        let mut problems = Vec::new();
        if let Some(metadata) = object.map_mut().remove("metadata") {
            let (metadata, unknown) = decode::metadata(metadata, validation)
                .map_err(|message| self.mishandled(object.kind(), &self.gvk.gv.version, message))?;
            object.map_mut().insert("metadata".to_owned(), metadata.into());
            problems.extend(unknown);
        }
        if object.kind() == &*self.gvk.kind {
            let dropped = self.structural.prune(object);
            problems.extend(dropped.iter().map(|path| format!("unknown field {}", go_quote(path))));
            let embedded = self.structural.coerce_embedded(object, Malformed::Refused, validation);
            let unknown = embedded
                .map_err(|error| self.mishandled(object.kind(), &self.gvk.gv.version, error.to_string()))?;
            problems.extend(unknown);
        }
        Ok(problems)
    }

    fn mishandled(&self, kind: &str, version: &str, message: String) -> DecodeError {
        DecodeError::Mishandled { kind: kind.to_owned(), version: version.to_owned(), message }
    }
}

fn unrecognized(message: String) -> DecodeError {
    DecodeError::Unrecognized { message }
}

fn into_map(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
