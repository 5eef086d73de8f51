//! Hard ceilings before any signature is checked: requests, streams, and bytes of bodies being read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use portcullis_api::body::Refused;
use portcullis_api::{ApiError, Body, BodyError};
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
    /// Bytes of request bodies held in memory.
    pub body_bytes: u64,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self { requests: 3_000, streams: 10_000, body_bytes: 256 << 20 }
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
    body_bytes: AtomicU64,
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

    fn call(&mut self, mut arrival: Arrival) -> Self::Future {
        let Some(seat) = Seat::take(&self.shared, arrival.is_long_running()) else {
            self.shared.metrics.shed();
            return Box::pin(std::future::ready(Err(too_many())));
        };
        let charge = Arc::new(Charge { counts: self.shared.counts.clone(), bytes: AtomicU64::new(0) });
        // A stream's body passes through and is not gathered.
        if !seat.is_stream && !arrival.request.body().is_end_stream() {
            let ceiling = self.shared.ceilings.body_bytes;
            let metered = charge.clone();
            arrival.request =
                arrival.request.map(|body| Metered { body, charge: metered, ceiling }.boxed_unsync());
        }
        let answer = self.inner.call(arrival);
        Box::pin(async move { answer.await.map(|response| until_sent(response, (seat, charge))) })
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

/// The bytes of one request's body that are held in memory, until the request is over.
struct Charge {
    counts: Arc<Counts>,
    bytes: AtomicU64,
}

impl Charge {
    fn add(&self, bytes: u64, ceiling: u64) -> Result<(), ApiError> {
        let all = &self.counts.body_bytes;
        let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= ceiling);
        all.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).map_err(|_| too_many())?;
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.counts.body_bytes.fetch_sub(*self.bytes.get_mut(), Ordering::AcqRel);
    }
}

struct Metered {
    body: Body,
    charge: Arc<Charge>,
    ceiling: u64,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let size = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
            if let Err(error) = self.charge.add(size, self.ceiling) {
                return Poll::Ready(Some(Err(Box::new(Refused(error)))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
