//! What documents tell of custom resources.

use std::fmt;
use std::sync::Arc;

use portcullis_api::Value;
use portcullis_schema::Row;
use portcullis_schema::custom::openapi::{Published, openapi_v2, openapi_v3};

use super::schemas::{Dialect, Schemas};

/// Reads the version of a definition as it is stored: schemas are large, and documents seldom made.
pub type ReadVersion = Arc<dyn Fn() -> Option<CustomVersion> + Send + Sync>;

/// A version of a definition, as it is published.
#[derive(Clone, Debug, Default)]
pub struct CustomVersion {
    /// `spec.versions[]`
    pub version: Value,
    /// `spec.preserveUnknownFields`
    pub keeps_unknown: bool,
}

/// A custom resource that documents tell of.
#[derive(Clone)]
pub struct CustomDocument {
    /// Its names and what may be done.
    pub row: Row,
    /// Changes with its definition.
    pub tag: [u8; 32],
    /// Reads its definition.
    pub read: ReadVersion,
}

impl fmt::Debug for CustomDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomDocument").field("row", &self.row.gvr).finish_non_exhaustive()
    }
}

impl CustomDocument {
    /// Whether it belongs to a group and version.
    pub(super) fn is_of(&self, group: &str, version: &str) -> bool {
        let gv = &self.row.gvr.gv;
        &*gv.group == group && &*gv.version == version
    }

    /// Adds the definitions of the kind and its list.
    pub(super) fn define(&self, schemas: &mut Schemas<'_>) {
        let Some(read) = (self.read)() else { return };
        let gvk = &self.row.gvk;
        let published = Published {
            group: &gvk.gv.group,
            version: &gvk.gv.version,
            kind: &gvk.kind,
            list_kind: &self.row.list_kind,
            plural: &self.row.gvr.resource,
            schema: read.version.pointer("/schema/openAPIV3Schema"),
            keeps_unknown: read.keeps_unknown,
            selectable: read
                .version
                .get("selectableFields")
                .and_then(Value::as_array)
                .map_or(&[], Vec::as_slice),
        };
        let definitions = match schemas.dialect() {
            Dialect::V2 => openapi_v2(&published),
            Dialect::V3 => openapi_v3(&published),
        };
        schemas.add(definitions);
    }
}
