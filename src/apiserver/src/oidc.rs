//! The documents by which others verify our service account tokens.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use portcullis_api::Body;
use serde_json::json;

use crate::respond;

/// Whoever keeps the keys says what is to be published of them.
pub trait PublishedKeys: Send + Sync + 'static {
    /// The key set, as JSON.
    fn jwks(&self) -> Bytes;

    /// The algorithms the keys sign with, as `alg` names.
    fn algorithms(&self) -> Vec<String>;
}

/// The issuer and its keys.
#[derive(Clone)]
pub struct Oidc {
    /// The issuer in the tokens.
    pub issuer: String,
    /// Where the key set is.
    pub jwks_uri: String,
    /// The keys.
    pub keys: Arc<dyn PublishedKeys>,
}

impl Oidc {
    pub(crate) fn configuration(&self) -> Response<Body> {
        let document = json!({
            "issuer": self.issuer,
            "jwks_uri": self.jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.keys.algorithms(),
        });
        published(document.to_string().into(), "application/json")
    }

    pub(crate) fn jwks(&self) -> Response<Body> {
        published(self.keys.jwks(), "application/jwk-set+json")
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn published(document: Bytes, media: &'static str) -> Response<Body> {
    let mut response = respond::json(document);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
