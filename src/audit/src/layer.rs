//! The gate that records: `Authenticated` in, `Audited` out.
//!
//! It stands below authentication, so that it knows who asks, and above authorization, so that it
//! sees the denials. Refusals of the gates above it reach the same slot by the front's completion.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use portcullis_api::{ApiError, Body, BodyError};
use tower::{Layer, Service};

use crate::slot::{AuditSlot, HasSlot};

/// Proof that the request's arrival is on record, as far as the policy asks for it. Only [`Audit`]
/// makes one:
///
/// ```compile_fail
/// fn forge<R>(request: R) -> portcullis_audit::Audited<R> {
///     portcullis_audit::Audited { request }
/// }
/// ```
/// ```compile_fail
/// fn copy(one: &portcullis_audit::Audited<String>) -> portcullis_audit::Audited<String> {
///     one.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Audited<R> {
    request: R,
}

impl<R> Audited<R> {
    /// What was recorded.
    pub fn get(&self) -> &R {
        &self.request
    }

    /// Gives the proof up for what it proves.
    pub fn into_inner(self) -> R {
        self.request
    }
}

impl<R: HasSlot> HasSlot for Audited<R> {
    fn slot(&self) -> &AuditSlot {
        self.request.slot()
    }
}

/// Makes [`Audit`] services.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditLayer {
    strict: bool,
}

impl AuditLayer {
    /// Records; a loss is counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a request whose intent cannot be recorded.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { strict: true }
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Audit<S> {
        Audit { inner, strict: self.strict }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub struct Audit<S> {
    inner: S,
    strict: bool,
}

impl<S, R> Service<R> for Audit<S>
where
    R: HasSlot,
    S: Service<Audited<R>, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let slot = request.slot().clone();
        if slot.received().is_err() && self.strict {
            return Box::pin(std::future::ready(Err(ApiError::unavailable(
                "audit event could not be recorded",
            ))));
        }
        let answer = self.inner.call(Audited { request });
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(response) if slot.opening().info.is_long_running() => slot.started(response.status()),
                Ok(response) => slot.complete(response.status()),
                Err(error) => slot.refused(error),
            }
            answer.map(|response| recorded_to_the_end(response, slot))
        })
    }
}

/// A stream's event is complete when the stream is: its body takes the slot along.
fn recorded_to_the_end(response: Response<Body>, slot: AuditSlot) -> Response<Body> {
    if !slot.opening().info.is_long_running() {
        return response;
    }
    let code = response.status();
    response.map(|body| Streamed { body, _end: End { slot, code } }.boxed_unsync())
}

struct Streamed {
    body: Body,
    _end: End,
}

/// Completes the slot when the stream ends or its client goes away.
struct End {
    slot: AuditSlot,
    code: http::StatusCode,
}

impl Drop for End {
    fn drop(&mut self) {
        self.slot.complete(self.code);
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
