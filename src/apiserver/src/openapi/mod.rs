//! OpenAPI: made from the schema table when first asked for, kept compressed.
//!
//! A document is a few megabytes and made in the blink of an eye; nothing of it is in memory before
//! somebody asks, and of what was made only the compressed bytes stay.

mod custom;
mod documents;
mod operations;
mod parameters;
mod proto;
mod schemas;
mod shapes;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH,
    LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use parking_lot::Mutex;
use portcullis_api::attributes::query;
use portcullis_api::{ApiError, Body, body};
use portcullis_schema::{groups, rows};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tokio::sync::OnceCell;

pub use custom::{CustomDocument, CustomVersion, ReadVersion};

use crate::health::not_found;
use crate::respond::{self, JSON};

const V2_PROTO: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What clients ask with. It is no valid media type, so that they cannot read an answer that has it.
const V2_PROTO_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// To be raised with every change of what documents hold, so that clients ask again.
const REVISION: u32 = 4;

/// The documents made so far. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct OpenApi(Arc<ArcSwap<Edition>>);

/// The documents of one set of custom resources.
#[derive(Default)]
struct Edition {
    /// A group that is built in and not served.
    without: Option<&'static str>,
    custom: Vec<CustomDocument>,
    made: Mutex<HashMap<Name, Arc<OnceCell<Packed>>>>,
}

/// Which document.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Name {
    V2Json,
    V2Proto,
    /// By the part of the path after `/openapi/v3/`; one that exists.
    V3(String),
}

/// A document, compressed.
#[derive(Clone)]
struct Packed {
    gzip: Bytes,
    tag: HeaderValue,
}

impl OpenApi {
    /// Documents that do not tell of a built-in group.
    pub(crate) fn without(group: &'static str) -> Self {
        let edition = Edition { without: Some(group), ..Edition::default() };
        Self(Arc::new(ArcSwap::from_pointee(edition)))
    }

    /// Tells of these custom resources from now on.
    pub(crate) fn replace_custom(&self, custom: Vec<CustomDocument>) {
        let without = self.0.load().without;
        self.0.store(Arc::new(Edition { without, custom, made: Mutex::default() }));
    }

    /// Answers for a path below `/openapi`; `None` when there is nothing.
    pub(crate) async fn answer(
        &self,
        path: &str,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<Response<Body>, ApiError> {
        match path {
            "/openapi/v2" => self.v2(headers).await,
            "/openapi/v3" | "/openapi/v3/" => Ok(index(&self.0.load(), headers)),
            _ => match path.strip_prefix("/openapi/v3/") {
                Some(place) => self.v3(place, headers, query).await,
                None => Ok(not_found()),
            },
        }
    }

    async fn v2(&self, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        let first = accept.split(',').take(64).find_map(|clause| {
            match clause.split(';').next().unwrap_or_default().trim() {
                "application/json" | "application/*" | "*/*" => Some((Name::V2Json, "application/json")),
                V2_PROTO | V2_PROTO_ASKED => Some((Name::V2Proto, V2_PROTO)),
                _ => None,
            }
        });
        let Some((name, media)) = first else { return Ok(not_acceptable()) };
        let packed = self.0.load_full().packed(name).await?;
        Ok(packed.answer(headers, media))
    }

    async fn v3(&self, place: &str, headers: &HeaderMap, query: &str) -> Result<Response<Body>, ApiError> {
        let edition = self.0.load_full();
        if !edition.places().iter().any(|known| known == place) {
            return Ok(not_found());
        }
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        let json = |clause: &str| {
            matches!(
                clause.split(';').next().unwrap_or_default().trim(),
                "application/json" | "application/*" | "*/*"
            )
        };
        if !accept.split(',').take(64).any(json) {
            return Ok(not_acceptable());
        }
        let asked = query::first(query, "hash").filter(|hash| !hash.is_empty());
        let current = edition.hash(place);
        if asked.as_deref().is_some_and(|asked| asked != current) {
            return Ok(moved(&edition.url(place)));
        }
        let packed = edition.packed(Name::V3(place.to_owned())).await?;
        let mut response = packed.answer(headers, "application/json");
        if asked.is_some() {
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
            headers.insert(EXPIRES, HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT"));
        }
        Ok(response)
    }
}

impl Edition {
    /// The document, made by whoever asks first while the others wait.
    async fn packed(self: Arc<Self>, name: Name) -> Result<Packed, ApiError> {
        let cell = self.made.lock().entry(name.clone()).or_default().clone();
        let packed = cell.get_or_try_init(|| async {
            let edition = self.clone();
            tokio::task::spawn_blocking(move || edition.make(&name))
                .await
                .map_err(|cause| ApiError::internal(format!("OpenAPI document was not made: {cause}")))
        });
        packed.await.cloned()
    }
}

impl Edition {
    fn make(&self, name: &Name) -> Packed {
        let (bytes, tag) = match name {
            Name::V2Json => (json_bytes(&self.v2()), self.hash("v2")),
            Name::V2Proto => (proto::document(&self.v2()), self.hash("v2.proto")),
            Name::V3(place) => (json_bytes(&self.v3_document(place)), self.hash(place)),
        };
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let gzip = packed.write_all(&bytes).and_then(|()| packed.finish()).unwrap_or_default();
        Packed { gzip: gzip.into(), tag: quoted(&tag) }
    }

    fn v2(&self) -> Value {
        documents::v2(rows().iter().filter(|row| self.serves(&row.gvr.gv.group)), &self.custom)
    }

    fn serves(&self, group: &str) -> bool {
        self.without != Some(group)
    }

    /// The parts of the API that have a document of version 3.
    fn places(&self) -> Vec<String> {
        let fixed = [".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"];
        let mut places: Vec<String> = fixed.map(str::to_owned).into();
        let built_in = groups().iter().flat_map(|group| &group.versions).filter(|gv| self.serves(&gv.group));
        for gv in built_in.chain(self.custom.iter().map(|one| &one.row.gvr.gv)) {
            let own = match &*gv.group {
                "" => vec![format!("api/{}", gv.version)],
                group => vec![format!("apis/{group}"), format!("apis/{group}/{}", gv.version)],
            };
            places.extend(own.into_iter().filter(|place| !places.contains(place)).collect::<Vec<_>>());
        }
        places
    }

    fn v3_document(&self, place: &str) -> Value {
        let parts: Vec<&str> = place.split('/').collect();
        match *parts.as_slice() {
            ["api", version] => documents::v3("", version, &self.custom),
            ["apis", group, version] => documents::v3(group, version, &self.custom),
            ["api"] => {
                documents::v3_listing("/api/", Some("io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions"))
            }
            ["apis"] => {
                documents::v3_listing("/apis/", Some("io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList"))
            }
            ["apis", group] => documents::v3_listing(
                &format!("/apis/{group}/"),
                Some("io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup"),
            ),
            _ => documents::v3_listing(&format!("/{place}/"), None),
        }
    }

    /// A document's tag. Documents change with the program and with definitions, so it is made of the
    /// program's version, the document's name and what those definitions are known by; an index needs no
    /// document made.
    fn hash(&self, place: &str) -> String {
        let mut digest = Sha512::new();
        digest.update(format!("{}\n{}\n{place}", env!("CARGO_PKG_VERSION"), REVISION));
        let whole = !place.starts_with("api");
        for one in &self.custom {
            let gv = &one.row.gvr.gv;
            if whole || place == format!("apis/{}/{}", gv.group, gv.version) {
                digest.update(format!("\n{:?} {:?}", one.row.gvr, one.row.verbs));
                digest.update(one.tag);
            }
        }
        format!("{:X}", digest.finalize())
    }

    fn url(&self, place: &str) -> String {
        format!("/openapi/v3/{place}?hash={}", self.hash(place))
    }
}

impl fmt::Debug for OpenApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApi").finish_non_exhaustive()
    }
}

fn json_bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

impl Packed {
    fn answer(&self, headers: &HeaderMap, media: &'static str) -> Response<Body> {
        let mut response = if headers.get(IF_NONE_MATCH).is_some_and(|tag| *tag == self.tag) {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else if accepts_gzip(headers) {
            let mut response = Response::new(body::full(self.gzip.clone()));
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            let mut plain = Vec::new();
            GzDecoder::new(&*self.gzip).read_to_end(&mut plain).ok();
            Response::new(body::full(plain))
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(ETAG, self.tag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        response
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip")
}

fn quoted(tag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Where the documents of version 3 are.
fn index(edition: &Edition, headers: &HeaderMap) -> Response<Body> {
    let paths: serde_json::Map<String, Value> = edition
        .places()
        .into_iter()
        .map(|place| (place.clone(), json!({ "serverRelativeURL": edition.url(&place) })))
        .collect();
    let tag = quoted(&edition.hash("index"));
    let mut response = if headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond::json(json!({ "paths": paths }).to_string())
    };
    response.headers_mut().insert(ETAG, tag);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 301 to the current document, as Go's redirect of a GET.
fn moved(url: &str) -> Response<Body> {
    let html = format!("<a href=\"{url}\">Moved Permanently</a>.\n\n");
    let mut response = Response::new(body::full(html));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // Places come from a fixed list and hashes are hexadecimal.
    if let Ok(url) = HeaderValue::from_str(url) {
        headers.insert(LOCATION, url);
    }
    response
}

fn not_acceptable() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    response
}

#[cfg(test)]
mod tests;
