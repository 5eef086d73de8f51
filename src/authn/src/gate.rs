//! The gate: `Attributed` in, `Authenticated` out.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Response;
use http::request::Parts;
use jiff::Timestamp;
use portcullis_api::{ApiError, Body, RequestInfo, UserInfo};
use portcullis_audit::{AuditSlot, HasSlot, Latency};
use portcullis_pki::Peer;
use tower::{Layer, Service};
use tracing::info;

use crate::attempt::{Identity, Method};
use crate::life::Life;
use crate::{ANONYMOUS, Authenticator, UNAUTHENTICATED};

/// The audit annotation that says which scheme verified the user.
const METHOD: &str = "portcullis.io/authenticated-by";

/// A request whose attributes are parsed and of whose sender only the connection is known.
#[derive(Debug)]
pub struct Attributed {
    /// Head of the request.
    pub parts: Parts,
    /// Its body.
    pub body: Body,
    /// What it asks for.
    pub info: Arc<RequestInfo>,
    /// The other end of the connection.
    pub peer: Peer,
    /// Where its audit event is made.
    pub slot: AuditSlot,
}

impl Attributed {
    /// Puts the parts together; they are the evidence.
    pub fn new(parts: Parts, body: Body, info: Arc<RequestInfo>, peer: Peer, slot: AuditSlot) -> Self {
        Self { parts, body, info, peer, slot }
    }
}

impl HasSlot for Attributed {
    fn slot(&self) -> &AuditSlot {
        &self.slot
    }
}

/// Proof that the sender is known. Only [`Authenticate`] makes one:
///
/// ```compile_fail
/// fn forge(request: portcullis_authn::Attributed, identity: portcullis_authn::Identity) -> portcullis_authn::Authenticated {
///     portcullis_authn::Authenticated { request, identity }
/// }
/// ```
/// ```compile_fail
/// fn forge(request: portcullis_authn::Attributed, identity: portcullis_authn::Identity) -> portcullis_authn::Authenticated {
///     portcullis_authn::Authenticated::assertion(request, identity)
/// }
/// ```
/// ```compile_fail
/// fn forge() -> portcullis_authn::Authenticated {
///     Default::default()
/// }
/// ```
/// ```compile_fail
/// fn copy(one: &portcullis_authn::Authenticated) -> portcullis_authn::Authenticated {
///     one.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Authenticated {
    request: Attributed,
    identity: Identity,
}

impl Authenticated {
    /// Sound because the only caller has the identity from the authenticator, for this very request.
    fn assertion(request: Attributed, identity: Identity) -> Self {
        Self { request, identity }
    }

    /// Who asks.
    pub fn user(&self) -> &UserInfo {
        &self.identity.user
    }

    /// What is asked.
    pub fn info(&self) -> &Arc<RequestInfo> {
        &self.request.info
    }

    /// The head of the request, without credentials.
    pub fn parts(&self) -> &Parts {
        &self.request.parts
    }

    /// The whole request.
    pub fn attributed(&self) -> &Attributed {
        &self.request
    }

    /// Gives the proof up for the request.
    pub fn into_attributed(self) -> Attributed {
        self.request
    }

    /// Gives the proof up for the request and the user.
    pub fn into_parts(self) -> (Attributed, UserInfo) {
        (self.request, self.identity.user)
    }

    /// Until when the credential holds; streams end then. `None` is for ever.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.identity.life.ends()
    }

    /// The life of the credential; streams end with it.
    pub fn life(&self) -> &Life {
        &self.identity.life
    }

    /// By which scheme the sender was verified.
    pub fn method(&self) -> Method {
        self.identity.method
    }

    /// Whether the sender is nobody in particular; such HTTP/2 connections are not kept.
    pub fn is_anonymous(&self) -> bool {
        let user = self.user();
        &*user.name == ANONYMOUS || user.in_group(UNAUTHENTICATED)
    }
}

impl HasSlot for Authenticated {
    fn slot(&self) -> &AuditSlot {
        &self.request.slot
    }
}

/// Makes [`Authenticate`] services.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer(Arc<Authenticator>);

impl AuthenticateLayer {
    /// Asks this authenticator.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Self(authenticator)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner, authenticator: self.0.clone() }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    authenticator: Arc<Authenticator>,
}

impl<S> Service<Attributed> for Authenticate<S>
where
    S: Service<Authenticated, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Attributed) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let authenticator = self.authenticator.clone();
        Box::pin(async move {
            let Attributed { parts, peer, .. } = &mut request;
            let begun = Instant::now();
            let outcome = authenticator.authenticate(parts, peer, Timestamp::now()).await;
            request.slot.took(Latency::Authentication, begun.elapsed());
            match outcome {
                Ok(identity) => {
                    request.slot.user(&identity.user);
                    request.slot.annotate(METHOD, identity.method.as_str());
                    ready.call(Authenticated::assertion(request, identity)).await
                }
                Err(refusal) => {
                    let reason = refusal.log().unwrap_or(refusal.message());
                    info!(audit.id = %request.slot.audit_id(), reason, "Unable to authenticate the request");
                    request.slot.refused(&refusal);
                    Err(refusal)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
