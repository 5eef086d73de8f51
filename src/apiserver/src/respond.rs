//! An [`ApiError`] as bytes. Nowhere else does one become bytes.

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use portcullis_api::{ApiError, Body, body, wire};

pub(crate) const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, private");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// How a client wants a `Status` written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    yaml: bool,
    pretty: bool,
}

impl Wish {
    /// Reads the wish from the request's head. What cannot be fulfilled falls back to JSON: there is
    /// no refusing to say why something was refused.
    pub(crate) fn of(headers: &HeaderMap, query: Option<&str>) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accept.split(',').find_map(media);
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let pretty = portcullis_api::attributes::query::first(query.unwrap_or_default(), "pretty");
        Self {
            yaml: first == Some(Media::Yaml),
            pretty: match pretty {
                Some(value) => value != "0" && value != "false",
                None => ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| agent.starts_with(tool)),
            },
        }
    }
}

#[derive(PartialEq, Eq)]
enum Media {
    Json,
    Yaml,
}

fn media(clause: &str) -> Option<Media> {
    match clause.split(';').next().unwrap_or_default().trim() {
        "application/json" | "application/*" | "*/*" => Some(Media::Json),
        "application/yaml" => Some(Media::Yaml),
        _ => None,
    }
}

/// An error as the client wants it.
pub(crate) fn negotiated(error: &ApiError, wish: Wish) -> Response<Body> {
    let status = error.to_status();
    let (bytes, media) = match wish {
        Wish { yaml: true, .. } => (
            portcullis_schema::yaml::to_string(&status).into_bytes(),
            HeaderValue::from_static("application/yaml"),
        ),
        // A tree of strings and numbers always serialises.
        Wish { pretty, .. } => (wire::to_json(&status, pretty).unwrap_or_default(), JSON),
    };
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = error.code();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(CONTENT_TYPE, media);
    if error.retry_after_seconds() > 0 {
        headers.insert(RETRY_AFTER, HeaderValue::from(error.retry_after_seconds()));
    }
    response
}

/// An error where nothing is known of the request any more.
pub(crate) fn plainly(error: &ApiError) -> Response<Body> {
    negotiated(error, Wish::default())
}

/// Plain text, as Go's `http.Error` and health checks write it.
pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(body::full(text.into()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A ready JSON document.
pub(crate) fn json(bytes: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
