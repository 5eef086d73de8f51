//! The one body type that requests and responses have between the stages.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::{ApiError, Reason};

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

/// A refusal that a body ends with, for the stage that reads it: a ceiling was reached on the way.
#[derive(Debug)]
pub struct Refused(pub ApiError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for Refused {}

/// Reads a whole body of at most `limit` bytes, or says 413 as upstream does.
pub async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let announced = body.size_hint().lower();
    if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large(limit));
    }
    let mut body = body;
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        let held = whole.len().saturating_add(first.len());
        if held.saturating_add(data.len()) > limit {
            return Err(too_large(limit));
        }
        // Most bodies are one frame, which is then not copied.
        if held == 0 {
            first = data;
        } else {
            if whole.is_empty() {
                whole.reserve(usize::try_from(announced).unwrap_or(0).max(held + data.len()));
            }
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// 413 in upstream's words.
pub fn too_large(limit: usize) -> ApiError {
    ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {limit}"))
}

fn unreadable(error: BodyError) -> ApiError {
    match error.downcast::<Refused>() {
        Ok(refused) => refused.0,
        Err(other) => ApiError::bad_request("the request body could not be read").with_log(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn frames(parts: &[&'static str]) -> Body {
        let frames: Vec<Result<_, BodyError>> =
            parts.iter().map(|p| Ok(Frame::data(Bytes::from_static(p.as_bytes())))).collect();
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn frames_are_joined_up_to_the_limit() {
        assert_eq!(collect(full("abc"), 3).await.unwrap(), "abc");
        assert_eq!(collect(frames(&["ab", "cd", "e"]), 5).await.unwrap(), "abcde");
        assert_eq!(collect(empty(), 0).await.unwrap(), "");
        for refused in [collect(full("abcd"), 3).await, collect(frames(&["ab", "cd"]), 3).await] {
            let error = refused.unwrap_err();
            assert_eq!(error.code(), 413);
            assert_eq!(error.message(), "Request entity too large: limit is 3");
        }
    }

    #[tokio::test]
    async fn a_refusal_on_the_way_is_the_answer() {
        let broken = stream::iter([Err::<Frame<Bytes>, BodyError>(Box::new(Refused(too_large(7))))]);
        let error = collect(StreamBody::new(broken).boxed_unsync(), 100).await.unwrap_err();
        assert_eq!(error.code(), 413);
    }
}
