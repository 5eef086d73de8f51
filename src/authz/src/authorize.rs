//! The gate that asks the chain: `Seated` in, `Authorized` with its permit out.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::Response;
use portcullis_api::{ApiError, Body};
use portcullis_audit::{AuditSlot, HasSlot};
use tower::{Layer, Service};
use tracing::info;

use crate::chain::Chain;
use crate::decision::Receipt;
use crate::evidence::{Authorized, Seated};
use crate::permit::Permit;

const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";
const RECEIPT: &str = "portcullis.io/decision-id";

/// Makes [`Authorize`] services.
#[derive(Clone)]
pub struct AuthorizeLayer(Arc<Chain>);

impl AuthorizeLayer {
    /// Asks this chain.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self(chain)
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        Authorize { inner, chain: Arc::clone(&self.0) }
    }
}

/// The gate.
#[derive(Clone)]
pub struct Authorize<S> {
    inner: S,
    chain: Arc<Chain>,
}

impl<S> Service<Seated> for Authorize<S>
where
    S: Service<Authorized, Response = Response<Body>, Error = ApiError>,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Either<Ready<Result<Response<Body>, ApiError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Seated) -> Self::Future {
        match Permit::decided(&self.chain, request.user().clone(), Arc::clone(request.info())) {
            Ok(permit) => {
                if let Some(receipt) = permit.receipt() {
                    note(request.slot(), "allow", receipt);
                }
                Either::Right(self.inner.call(Authorized::assertion(request, permit)))
            }
            Err(refusal) => {
                note(request.slot(), "forbid", &refusal.receipt);
                let (slot, info) = (request.slot(), request.info());
                info!(
                    audit.id = %slot.audit_id(), user.name = %request.user().name, verb = %info.verb,
                    path = %info.path, decision.id = %refusal.receipt.id(), "Request denied"
                );
                Either::Left(ready(Err(refusal.error)))
            }
        }
    }
}

fn note(slot: &AuditSlot, decision: &'static str, receipt: &Receipt) {
    slot.annotate(DECISION, decision);
    slot.annotate(REASON, receipt.reason());
    slot.annotate(RECEIPT, receipt.id().to_string());
}

#[cfg(test)]
mod tests;
