//! The compiled schema of a resource's objects, whichever it comes from: the tables of this crate, or a
//! definition that a client stored. Everything above asks this type and knows no difference.

use std::sync::Arc;

use portcullis_api::{ApiError, Gvk, Object, Reason};

use crate::custom::CustomKind;
use crate::decode::{DecodeError, Decoded, FieldValidation, MediaType};
use crate::managed::{ShapeRef, Tracker, Versions, Writable};
use crate::{Kind, decode, defaults};

/// One kind in one version, built in or custom.
#[derive(Clone, Debug)]
pub enum Schema {
    /// From the tables of this crate.
    BuiltIn(&'static Kind),
    /// From a definition.
    Custom(Arc<CustomKind>),
}

impl From<&'static Kind> for Schema {
    fn from(kind: &'static Kind) -> Self {
        Self::BuiltIn(kind)
    }
}

impl Schema {
    /// Group, version and kind.
    pub fn gvk(&self) -> &Gvk {
        match self {
            Self::BuiltIn(kind) => kind.gvk(),
            Self::Custom(kind) => kind.gvk(),
        }
    }

    /// What `apiVersion` says: `apps/v1`.
    pub fn api_version(&self) -> &str {
        match self {
            Self::BuiltIn(kind) => kind.api_version(),
            Self::Custom(kind) => kind.api_version(),
        }
    }

    /// What `kind` says.
    pub fn kind(&self) -> &str {
        &self.gvk().kind
    }

    /// How its objects are owned and merged.
    pub fn shape(&self) -> ShapeRef<'_> {
        match self {
            Self::BuiltIn(kind) => kind.shape(),
            Self::Custom(kind) => kind.structural().shape().shape(),
        }
    }

    /// The kind, if it is built in. Custom ones have neither a protobuf form nor strategic merge patches.
    pub fn built_in(&self) -> Option<&'static Kind> {
        match self {
            Self::BuiltIn(kind) => Some(kind),
            Self::Custom(_) => None,
        }
    }

    /// The kind, if it comes from a definition.
    pub fn custom(&self) -> Option<&Arc<CustomKind>> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Custom(kind) => Some(kind),
        }
    }

    /// Reads a request body, in normal form and with defaults. Problems are left in the result to warn
    /// of, except under [`FieldValidation::Strict`], where they are the error.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn decode_body(
        &self,
        body: &[u8],
        media: MediaType,
        validation: FieldValidation,
    ) -> Result<Decoded, ApiError> {
        let mut decoded = match self {
            Self::BuiltIn(kind) => decode::decode_body(kind, body, media, validation)?,
            Self::Custom(kind) => kind.decode_body(body, media, validation)?,
        };
        self.fill_defaults(&mut decoded.object)?;
        Ok(decoded)
    }

    /// Brings a tree into normal form and tells what was dropped. After an error the tree may be empty.
    ///
    /// # Errors
    /// What upstream says of a tree that no object of the kind can hold.
    pub fn normalize(
        &self,
        object: &mut Object,
        validation: FieldValidation,
    ) -> Result<Vec<String>, DecodeError> {
        match self {
            Self::BuiltIn(kind) => kind.normalize(object, validation),
            Self::Custom(kind) => kind.normalize(object, validation),
        }
    }

    /// Brings what an apply made into normal form, as upstream does without text between tree and structs;
    /// `again` makes the tree once more where it does not fit at once.
    ///
    /// # Errors
    /// What upstream says of a tree that no object of the kind can hold.
    pub fn normalize_applied<E>(
        &self,
        object: &mut Object,
        validation: FieldValidation,
        again: impl FnOnce() -> Result<Object, E>,
    ) -> Result<Result<Vec<String>, String>, E> {
        let kind = match self {
            Self::BuiltIn(kind) => kind,
            Self::Custom(kind) => {
                return Ok(kind.normalize(object, validation).map_err(|error| error.message().to_owned()));
            }
        };
        if let Ok(problems) = kind.convert(object, validation) {
            return Ok(Ok(problems));
        }
        *object = again()?;
        let Gvk { gv, kind: word } = kind.gvk();
        Ok(kind.fit(object, validation).map_err(|why| {
            let known = format!("{}/{}, Kind={word}", gv.group, gv.version);
            format!("unable to convert unstructured object to {known}: {why}")
        }))
    }

    /// Fills in the defaults of a tree in normal form.
    ///
    /// # Errors
    /// 413 when the defaults of a definition would make the object larger than any object may be.
    pub fn fill_defaults(&self, object: &mut Object) -> Result<(), ApiError> {
        match self {
            Self::BuiltIn(kind) => defaults::apply(kind.gvk(), object),
            Self::Custom(kind) => kind
                .fill_defaults(object)
                .map_err(|why| ApiError::new(Reason::RequestEntityTooLarge, why.to_string()))?,
        }
        Ok(())
    }

    /// Drops what Go would not write after a write went through its structs; custom objects have none.
    pub fn forget_empties(&self, object: &mut Object) {
        if let Self::BuiltIn(kind) = self {
            kind.forget_empties(object);
        }
    }

    /// Tracks the owners of its objects' fields at one endpoint.
    pub fn tracker<'k>(
        &'k self,
        subresource: &'k str,
        writable: Writable<'k>,
        versions: &'k dyn Versions,
    ) -> Tracker<'k> {
        match self {
            Self::BuiltIn(kind) => kind.tracker(subresource, writable, versions),
            Self::Custom(kind) => kind.tracker(subresource, writable, versions),
        }
    }

    /// The error for problems under strict field validation.
    pub fn strict_error(&self, problems: &[String]) -> DecodeError {
        DecodeError::strict(self.gvk(), problems)
    }
}
