//! Counts what is in flight, so that a shutdown can wait for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::Response;
use portcullis_api::{ApiError, Body};
use tokio::sync::Notify;
use tower::{Layer, Service};

use crate::arrival::Arrival;
use crate::stack::held::until_sent;

/// The count. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    requests: AtomicUsize,
    empty: Notify,
}

impl InFlight {
    fn enter(&self) -> Ticket {
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        Ticket(self.0.clone())
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn drained(&self) {
        loop {
            // Asked for before the look, so that a departure in between is not missed.
            let empty = self.0.empty.notified();
            if self.0.requests.load(Ordering::Acquire) == 0 {
                return;
            }
            empty.await;
        }
    }
}

struct Ticket(Arc<Count>);

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

/// Makes [`Drain`] services.
#[derive(Clone, Debug)]
pub(crate) struct DrainLayer {
    in_flight: InFlight,
}

impl DrainLayer {
    pub(crate) fn new(in_flight: InFlight) -> Self {
        Self { in_flight }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Drain<S> {
        Drain { inner, in_flight: self.in_flight.clone() }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct Drain<S> {
    inner: S,
    in_flight: InFlight,
}

impl<S> Service<Arrival> for Drain<S>
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
        let ticket = self.in_flight.enter();
        let answer = self.inner.call(arrival);
        Box::pin(async move { answer.await.map(|response| until_sent(response, ticket)) })
    }
}
