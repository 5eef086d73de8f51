//! What is not a stream has a minute, or less if the client says so.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use portcullis_api::attributes::query;
use portcullis_api::{ApiError, Body, BodyError, Reason};
use portcullis_outbound::go_duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{Layer, Service};

use crate::arrival::Arrival;

/// A response that is larger must leave within the deadline again, or its client is too slow.
const SMALL: u64 = 64 * 1024;

/// Makes [`Deadline`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadlineLayer {
    limit: Duration,
}

impl DeadlineLayer {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, limit: self.limit }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    limit: Duration,
}

impl<S> Service<Arrival> for Deadline<S>
where
    S: Service<Arrival, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut arrival: Arrival) -> Self::Future {
        if arrival.is_long_running() {
            return Box::pin(self.inner.call(arrival));
        }
        let limit = match asked(arrival.request.uri().query(), self.limit) {
            Ok(limit) => limit,
            Err(error) => {
                arrival.refusal.get_or_insert(error);
                self.limit
            }
        };
        let ceiling = self.limit;
        let answer = self.inner.call(arrival);
        Box::pin(async move {
            match timeout_at(Instant::now() + limit, answer).await {
                Ok(answer) => answer.map(|response| in_time(response, ceiling)),
                Err(_) => Err(too_late()),
            }
        })
    }
}

/// The client's `timeout`, where it is shorter than ours; 0 means the client has none.
fn asked(query: Option<&str>, limit: Duration) -> Result<Duration, ApiError> {
    let Some(text) = query.and_then(|query| query::first(query, "timeout")).filter(|text| !text.is_empty())
    else {
        return Ok(limit);
    };
    match go_duration::parse(&text) {
        Ok(Some(asked)) if !asked.is_zero() => Ok(asked.min(limit)),
        Ok(_) => Ok(limit),
        Err(why) => {
            Err(ApiError::bad_request(format!("invalid timeout specified in the request URL - {why}")))
        }
    }
}

fn too_late() -> ApiError {
    let words = "Timeout: request did not complete within the allotted timeout";
    ApiError::new(Reason::Timeout, words).with_causes(Vec::new())
}

/// Bounds the time a client may take to read a large answer.
fn in_time(response: Response<Body>, limit: Duration) -> Response<Body> {
    if response.body().size_hint().exact().is_some_and(|size| size <= SMALL) {
        return response;
    }
    response.map(|body| Timed { body, end: Box::pin(sleep_until(Instant::now() + limit)) }.boxed_unsync())
}

struct Timed {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the client reads too slowly".into())));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
