//! The gate that asks the chain: `Seated` in, `Authorized` with its permit out.
//!
//! The answer carries the decision's id. Whoever is refused is told the id beside upstream's words; the reasons
//! are for those who may read them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderName, HeaderValue, Response};
use portcullis_api::{ApiError, Body};
use portcullis_audit::{AuditSlot, HasSlot, Latency, Note};
use tower::{Layer, Service};
use tracing::info;

use crate::answers::Answers;
use crate::attributes::Attributes;
use crate::chain::Chain;
use crate::decision::{Reason, Receipt};
use crate::evidence::{Authorized, Seated};
use crate::permit::{Permit, Refusal};
use crate::receipts::Decided;

const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";
const RECEIPT: &str = "portcullis.io/decision-id";

/// Names the decision about a request, on every answer to one that was decided.
pub(crate) const DECISION_ID: HeaderName = HeaderName::from_static("portcullis-decision-id");

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

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
    S: Service<Authorized, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Seated) -> Self::Future {
        let (answers, begun) = (Answers::default(), Instant::now());
        let receipt = self.chain.weigh(request.user(), &Attributes::from(&**request.info()), &answers);
        if !answers.are_missing() {
            request.slot().took(Latency::Authorization, begun.elapsed());
            return self.go_on(request, receipt, answers);
        }
        // The service that was found ready is the one to be called.
        let other = self.clone();
        let mut ready = std::mem::replace(self, other);
        Box::pin(async move {
            let asked = Attributes::from(&**request.info());
            let receipt = ready.chain.settle_with(request.user(), &asked, &answers).await;
            request.slot().took(Latency::Authorization, begun.elapsed());
            ready.go_on(request, receipt, answers).await
        })
    }
}

impl<S> Authorize<S>
where
    S: Service<Authorized, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    fn go_on(&mut self, request: Seated, receipt: Receipt, answers: Answers) -> Answer {
        match Permit::decided(receipt, request.user().clone(), Arc::clone(request.info()), answers) {
            Ok(permit) => {
                let id = permit.receipt().map(|receipt| self.record("allow", &request, receipt));
                let answer = self.inner.call(Authorized::assertion(request, permit));
                Box::pin(async move { answer.await.map(|response| named(response, id)) })
            }
            Err(refusal) => {
                self.record("forbid", &request, &refusal.receipt);
                Box::pin(std::future::ready(Err(told(refusal))))
            }
        }
    }
}

impl<S> Authorize<S> {
    /// Leaves the decision where audit, explanations and rules on trial find it; returns its id.
    fn record(&self, decision: &'static str, request: &Seated, receipt: &Receipt) -> Arc<str> {
        let id = note(request.slot(), decision, receipt);
        receipt.note_use();
        let (user, info) = (request.user(), request.info());
        if let Some(shadow) = self.chain.shadowing() {
            shadow.weigh(user, info, receipt.is_allowed(), receipt.decision().is_denied());
        }
        if !receipt.is_allowed() {
            info!(
                audit.id = %request.slot().audit_id(), user.name = %user.name, verb = %info.verb,
                path = %info.path, decision.id = %receipt.id(), "Request denied"
            );
        }
        let (audit_id, generation) = (request.slot().audit_id(), self.chain.generation(user));
        self.chain.receipts().keep(&Decided { user, info, audit_id, generation }, receipt.clone());
        id
    }
}

fn note(slot: &AuditSlot, decision: &'static str, receipt: &Receipt) -> Arc<str> {
    let id: Arc<str> = receipt.id().to_string().into();
    slot.annotate(DECISION, decision);
    slot.annotate(REASON, why(receipt));
    slot.annotate(RECEIPT, Arc::clone(&id));
    id
}

/// The reasons, for the usual ones without making words again.
fn why(receipt: &Receipt) -> Note {
    match receipt.decision().grounds().reasons.as_slice() {
        [] | [Reason::Masters | Reason::Node] => Note::from(""),
        [Reason::Granted(grant)] => grant.told().into(),
        _ => receipt.reason().into(),
    }
}

fn named(mut response: Response<Body>, id: Option<Arc<str>>) -> Response<Body> {
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        response.headers_mut().insert(DECISION_ID, id);
    }
    response
}

/// The refusal with the id in a header for programs and a warning for people. It says no more than that.
fn told(refusal: Refusal) -> ApiError {
    let id = refusal.receipt.id().to_string();
    let words = format!("portcullis: decision {id}; those who may read it: portcullis policy explain {id}");
    let mut warnings = refusal.error.warnings().to_vec();
    warnings.push(words);
    let error = refusal.error.with_warnings(warnings);
    match HeaderValue::try_from(id) {
        Ok(id) => error.with_header(DECISION_ID, id),
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests;
