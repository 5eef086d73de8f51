//! `Arrival` in, `Attributed` down: here the audit slot opens, the answer is measured, and a refused
//! request line gets its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Response;
use http::header::USER_AGENT;
use portcullis_api::{ApiError, Body};
use portcullis_audit::{AuditSlot, Opening, Policy, Sink, forwarded};
use portcullis_authn::Attributed;
use tower::{Layer, Service};

use crate::arrival::Arrival;
use crate::metrics::Metrics;

/// Makes [`Attributes`] services.
#[derive(Clone)]
pub(crate) struct AttributesLayer {
    sink: Arc<dyn Sink>,
    policy: Arc<Policy>,
    metrics: Metrics,
}

impl AttributesLayer {
    pub(crate) fn new(sink: Arc<dyn Sink>, policy: Arc<Policy>, metrics: Metrics) -> Self {
        Self { sink, policy, metrics }
    }

    fn open(&self, arrival: &Arrival) -> AuditSlot {
        let opening = Opening {
            info: arrival.info.clone(),
            uri: arrival.request.uri().clone(),
            audit_id: arrival.audit_id.clone(),
            source: arrival.connection.source,
            forwarded: forwarded(arrival.request.headers()),
            user_agent: arrival.request.headers().get(USER_AGENT).cloned(),
            received: arrival.received,
        };
        AuditSlot::begin(self.sink.clone(), self.policy.clone(), opening)
    }
}

impl<S> Layer<S> for AttributesLayer {
    type Service = Attributes<S>;

    fn layer(&self, inner: S) -> Attributes<S> {
        Attributes { inner, shared: self.clone() }
    }
}

/// The gate.
#[derive(Clone)]
pub(crate) struct Attributes<S> {
    inner: S,
    shared: AttributesLayer,
}

impl<S> Service<Arrival> for Attributes<S>
where
    S: Service<Attributed, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut arrival: Arrival) -> Self::Future {
        let started = Instant::now();
        let slot = self.shared.open(&arrival);
        let metrics = self.shared.metrics.clone();
        let info = arrival.info.clone();
        if let Some(refusal) = arrival.refusal.take() {
            slot.refused(&refusal);
            metrics.answered(&info, refusal.code(), started.elapsed());
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let (parts, body) = arrival.request.into_parts();
        let request = Attributed::new(parts, body, arrival.info, arrival.connection.peer, slot.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = match &answer {
                Ok(response) => response.status(),
                // Where the gate `Audit` was not reached the refusal is recorded here.
                Err(error) => {
                    slot.refused(error);
                    error.code()
                }
            };
            metrics.answered(&info, code, started.elapsed());
            answer
        })
    }
}
