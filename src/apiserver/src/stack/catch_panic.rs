//! Outermost: a bug is answered with a `Status`, and the connection lives on.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use http::Response;
use portcullis_api::{ApiError, Body};
use tower::{Layer, Service};
use tracing::error;

use crate::arrival::Raw;
use crate::respond;

/// Makes [`CatchPanic`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct CatchPanic<S> {
    inner: S,
}

impl<S> Service<Raw> for CatchPanic<S>
where
    S: Service<Raw, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, raw: Raw) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        // Nothing that the unwinding leaves half done outlives the request: what is shared below is
        // behind locks that do not poison and state that is swapped whole.
        let answer = AssertUnwindSafe(async move { ready.call(raw).await }).catch_unwind();
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => {
                    error!("A request handler panicked");
                    Ok(respond::plainly(&ApiError::internal("panic in a request handler")))
                }
            }
        })
    }
}
