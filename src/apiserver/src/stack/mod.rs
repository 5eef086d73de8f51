//! The stack: the whole way of a request as one expression.
//!
//! Its type changes at every gate, so that a gate can neither be dropped nor swapped:
//!
//! ```text
//! Raw -> Arrival -> Attributed -> Authenticated -> Audited -> Effective -> Seated -> Authorized
//! ```

mod attributes;
mod catch_panic;
mod compress;
mod deadline;
mod drain;
pub(crate) mod held;
mod load_shed;
mod respond_status;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use portcullis_api::Body;
use portcullis_audit::{AuditLayer, Policy, Sink};
use portcullis_authn::{AuthenticateLayer, Authenticator};
use portcullis_authz::{AuthorizeLayer, Chain, Fairness, FairnessLayer, ImpersonateLayer};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

pub(crate) use drain::InFlight;
pub use load_shed::Ceilings;

use crate::arrival::Raw;
use crate::dispatch::Dispatch;
use crate::metrics::Metrics;
use attributes::AttributesLayer;
use catch_panic::CatchPanicLayer;
use compress::CompressLayer;
use deadline::DeadlineLayer;
use drain::DrainLayer;
use load_shed::LoadShedLayer;
use respond_status::RespondStatusLayer;

/// The finished stack, as a connection sees it: every request gets an answer.
pub(crate) type Api = BoxCloneSyncService<Raw, Response<Body>, Infallible>;

/// What the gates ask.
#[derive(Clone)]
pub(crate) struct Gates {
    pub(crate) deadline: Duration,
    pub(crate) ceilings: Ceilings,
    pub(crate) in_flight: InFlight,
    /// Turns true when the server stops.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) metrics: Metrics,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) fairness: Arc<Fairness>,
}

/// Puts the gates in order.
pub(crate) fn stack(gates: Gates, dispatch: Dispatch) -> Api {
    let Gates { deadline, ceilings, in_flight, stop, metrics, sink, .. } = gates;
    let Gates { policy, authenticator, chain, fairness, .. } = gates;
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer) // outermost: even a bug is answered with a Status
        .layer(RespondStatusLayer) // the only place where an ApiError becomes bytes; all above is infallible
        .layer(DeadlineLayer::new(deadline)) // bounds everything below, waiting for a seat included
        .layer(DrainLayer::new(in_flight, stop)) // below the deadline: what it gives up is no longer in flight
        .layer(CompressLayer) // above the ceilings' end: a compressed answer holds its place until it is sent
        .layer(LoadShedLayer::new(ceilings, metrics.clone())) // before any signature is checked
        .layer(AttributesLayer::new(sink, policy, metrics)) // all below speak attributes and have an audit slot
        .layer(AuthenticateLayer::new(authenticator)) // who asks; reports its own refusals to the slot
        .layer(AuditLayer) // below authentication: knows who; above authorization: sees the denials
        .layer(ImpersonateLayer::new(chain.clone())) // itself authorized and audited; all below see the effective user
        .layer(FairnessLayer::new(fairness)) // per effective user; before the chain, which may cost
        .layer(AuthorizeLayer::new(chain)) // last: nothing changes user or attributes after the decision
        .service(dispatch); // takes nothing less than what is authorized
    BoxCloneSyncService::new(service)
}
