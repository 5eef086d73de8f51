//! What an answer says of where its request was put: identities, so that names stay the administrator's own.

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_api::ApiError;

const SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// The identities of a schema and its level.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    schema: HeaderValue,
    level: HeaderValue,
}

impl Stamp {
    /// `None` for what is not stored and so has no identity.
    pub(super) fn of(schema: &str, level: &str) -> Option<Self> {
        let value = |uid: &str| HeaderValue::from_str(uid).ok().filter(|_| !uid.is_empty());
        Some(Self { schema: value(schema)?, level: value(level)? })
    }

    pub(super) fn put_on(self, headers: &mut HeaderMap) {
        headers.insert(SCHEMA, self.schema);
        headers.insert(LEVEL, self.level);
    }

    pub(super) fn put_beside(self, error: ApiError) -> ApiError {
        error.with_header(SCHEMA, self.schema).with_header(LEVEL, self.level)
    }
}
