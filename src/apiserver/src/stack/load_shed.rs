//! Hard ceilings before any signature is checked: requests and streams. What they may hold in bytes is
//! counted where it is known whose they are (`dispatch::counted`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use http::Response;
use portcullis_api::{ApiError, Body};
use tower::{Layer, Service};

use crate::arrival::Arrival;
use crate::metrics::Metrics;
use crate::stack::held::until_sent;

/// What may be in flight at once.
#[derive(Clone, Copy, Debug)]
pub struct Ceilings {
    /// Requests that have a deadline.
    pub requests: u64,
    /// Watches and other streams.
    pub streams: u64,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self { requests: 3_000, streams: 20_000 }
    }
}

/// Makes [`LoadShed`] services, which share their counts.
#[derive(Clone, Debug)]
pub(crate) struct LoadShedLayer {
    ceilings: Ceilings,
    counts: Arc<Counts>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    streams: AtomicU64,
}

impl LoadShedLayer {
    pub(crate) fn new(ceilings: Ceilings, metrics: Metrics) -> Self {
        Self { ceilings, counts: Arc::default(), metrics }
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> LoadShed<S> {
        LoadShed { inner, shared: self.clone() }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct LoadShed<S> {
    inner: S,
    shared: LoadShedLayer,
}

impl<S> Service<Arrival> for LoadShed<S>
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

    fn call(&mut self, arrival: Arrival) -> Self::Future {
        let Some(seat) = Seat::take(&self.shared, arrival.is_long_running()) else {
            self.shared.metrics.shed();
            return Box::pin(std::future::ready(Err(too_many())));
        };
        let answer = self.inner.call(arrival);
        Box::pin(async move { answer.await.map(|response| until_sent(response, seat)) })
    }
}

/// 429 in upstream's words.
fn too_many() -> ApiError {
    ApiError::too_many_requests("Too many requests, please try again later.", 1)
}

/// A place among the requests in flight.
struct Seat {
    counts: Arc<Counts>,
    metrics: Metrics,
    is_stream: bool,
}

impl Seat {
    fn take(shared: &LoadShedLayer, is_stream: bool) -> Option<Self> {
        let ceiling = if is_stream { shared.ceilings.streams } else { shared.ceilings.requests };
        let count = shared.counts.of(is_stream);
        let taken =
            count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < ceiling).then_some(n + 1));
        taken.ok()?;
        shared.metrics.in_flight(is_stream, 1.0);
        Some(Self { counts: shared.counts.clone(), metrics: shared.metrics.clone(), is_stream })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.counts.of(self.is_stream).fetch_sub(1, Ordering::AcqRel);
        self.metrics.in_flight(self.is_stream, -1.0);
    }
}

impl Counts {
    fn of(&self, is_stream: bool) -> &AtomicU64 {
        if is_stream { &self.streams } else { &self.requests }
    }
}
