//! The gate that records: `Authenticated` in, `Audited` out.
//!
//! It stands below authentication, so that it knows who asks, and above authorization, so that it
//! sees the denials. Refusals of the gates above it reach the same slot by the front's completion.

use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use portcullis_api::{ApiError, Body, BodyError};
use tower::{Layer, Service};

use crate::sink::Lost;
use crate::slot::{Arrival, AuditSlot, HasSlot};

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
pub struct AuditLayer;

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Audit<S> {
        Audit { inner }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub struct Audit<S> {
    inner: S,
}

impl<S, R> Service<R> for Audit<S>
where
    R: HasSlot + Send + 'static,
    S: Service<Audited<R>, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
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
        match slot.received() {
            Err(Lost) => Box::pin(ready(Err(unrecorded()))),
            Ok(Arrival::Noted) => Box::pin(recorded(slot, self.inner.call(Audited { request }))),
            Ok(arrival) => {
                let next = self.inner.clone();
                // The service that was polled is the one that is called.
                let mut inner = std::mem::replace(&mut self.inner, next);
                Box::pin(async move {
                    arrival.wait().await.map_err(|Lost| unrecorded())?;
                    recorded(slot, inner.call(Audited { request })).await
                })
            }
        }
    }
}

fn unrecorded() -> ApiError {
    crate::metrics::rejected();
    ApiError::unavailable("a required audit event could not be recorded")
}

/// Records how the answer ended, or that it began where it is a stream.
async fn recorded(
    slot: AuditSlot,
    answer: impl Future<Output = Result<Response<Body>, ApiError>>,
) -> Result<Response<Body>, ApiError> {
    match answer.await {
        Ok(response) if slot.opening().info.is_long_running() => {
            slot.started(response.status());
            Ok(recorded_to_the_end(response, slot))
        }
        Ok(response) => Ok(slot.answered(response).await),
        Err(error) => {
            // Upstream writes the head of every answer to such a request down, whatever it says.
            if slot.opening().info.is_long_running() {
                slot.started(error.code());
            }
            slot.refused(&error);
            Err(error)
        }
    }
}

/// A stream's event is complete when the stream is: its body takes the slot along.
fn recorded_to_the_end(response: Response<Body>, slot: AuditSlot) -> Response<Body> {
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
