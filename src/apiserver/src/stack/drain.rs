//! Counts what is in flight, so that a shutdown can wait for it, and ends streams when it comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use portcullis_api::{ApiError, Body, BodyError};
use tokio::sync::{Notify, watch};
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
    stop: watch::Receiver<bool>,
}

impl DrainLayer {
    pub(crate) fn new(in_flight: InFlight, stop: watch::Receiver<bool>) -> Self {
        Self { in_flight, stop }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Drain<S> {
        Drain { inner, shared: self.clone() }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct Drain<S> {
    inner: S,
    shared: DrainLayer,
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
        let ticket = self.shared.in_flight.enter();
        let stop = arrival.is_long_running().then(|| self.shared.stop.clone());
        let answer = self.inner.call(arrival);
        Box::pin(async move {
            let response = until_sent(answer.await?, ticket);
            Ok(match stop {
                Some(stop) => response.map(|body| Stoppable::new(body, stop).boxed_unsync()),
                None => response,
            })
        })
    }
}

/// A stream that ends, as if it had no more to say, when the server stops: clients then ask another.
struct Stoppable {
    body: Body,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Stoppable {
    fn new(body: Body, mut stop: watch::Receiver<bool>) -> Self {
        let stopped = Box::pin(async move {
            stop.wait_for(|stopping| *stopping).await.ok();
        });
        Self { body, stopped }
    }
}

impl HttpBody for Stoppable {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() && self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
