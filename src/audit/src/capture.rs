//! Takes a copy of an answer on its way to the client, up to a limit, for events that hold bodies.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use portcullis_api::{Body, BodyError, Value};

/// More of an answer is not recorded; lists can be of any size.
const MAX: usize = 4 << 20;

/// The answer as it was, and its body as a tree or why there is none.
pub(crate) async fn capture(response: Response<Body>) -> (Response<Body>, Result<Value, &'static str>) {
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        return (response, Err("no JSON"));
    }
    let (parts, mut rest) = response.into_parts();
    let mut copy = BytesMut::new();
    let mut read = VecDeque::new();
    while copy.len() <= MAX
        && let Some(frame) = rest.frame().await
    {
        if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
            copy.extend_from_slice(data);
        }
        read.push_back(frame);
    }
    let tree = if copy.len() > MAX {
        Err("too large")
    } else if read.iter().any(Result::is_err) {
        Err("broken off")
    } else {
        serde_json::from_slice(&copy).map_err(|_| "no JSON")
    };
    (Response::from_parts(parts, Replay { read, rest }.boxed_unsync()), tree)
}

/// The frames that were read, then the rest.
struct Replay {
    read: VecDeque<Result<Frame<Bytes>, BodyError>>,
    rest: Body,
}

impl HttpBody for Replay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.read.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }
}
