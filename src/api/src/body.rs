//! The one body type that requests and responses have between the stages.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// What goes wrong while a body is read or written.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body as a stream of frames, of any source.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is ready in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body with nothing in it.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The bytes that a body says it holds at most, if it says so.
pub fn announced(body: &Body) -> Option<u64> {
    body.size_hint().upper()
}
