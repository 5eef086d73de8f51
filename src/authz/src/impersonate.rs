//! The gate that settles whose rights count: `Audited<Authenticated>` in, `Effective` out.
//!
//! `Impersonate-*` headers leave the request here; nothing below can tell that there were any but
//! audit, which knows both users.

mod modes;
mod wanted;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::Response;
use http::request::Parts;
use portcullis_api::{ApiError, Body, RequestInfo, UserInfo};
use portcullis_audit::{AuditSlot, Audited};
use portcullis_authn::Authenticated;
use tower::{Layer, Service};

use self::wanted::Wanted;
use crate::attributes::Attributes;
use crate::chain::Chain;
use crate::evidence::Effective;

/// Makes [`Impersonate`] services.
#[derive(Clone)]
pub struct ImpersonateLayer(Arc<Chain>);

impl ImpersonateLayer {
    /// Asks this chain.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self(chain)
    }
}

impl<S> Layer<S> for ImpersonateLayer {
    type Service = Impersonate<S>;

    fn layer(&self, inner: S) -> Impersonate<S> {
        Impersonate { inner, chain: Arc::clone(&self.0) }
    }
}

/// The gate.
#[derive(Clone)]
pub struct Impersonate<S> {
    inner: S,
    chain: Arc<Chain>,
}

impl<S> Service<Audited<Authenticated>> for Impersonate<S>
where
    S: Service<Effective, Response = Response<Body>, Error = ApiError>,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Either<Ready<Result<Response<Body>, ApiError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Audited<Authenticated>) -> Self::Future {
        let authenticated = request.into_inner();
        let life = authenticated.life().clone();
        let (mut request, user) = authenticated.into_parts();
        match act_as(&self.chain, &user, &mut request.parts, &request.info, &request.slot) {
            Ok(None) => Either::Right(self.inner.call(Effective::assertion(request, user, None, life))),
            Ok(Some(other)) => {
                let effective = Effective::assertion(request, other, Some(user), life);
                Either::Right(self.inner.call(effective))
            }
            Err(refusal) => Either::Left(ready(Err(refusal))),
        }
    }
}

/// The user that a request may and wants to act as, if any. Audit learns of the attempt either way.
fn act_as(
    chain: &Chain,
    requestor: &UserInfo,
    parts: &mut Parts,
    info: &RequestInfo,
    slot: &AuditSlot,
) -> Result<Option<UserInfo>, ApiError> {
    let Some(wanted) = Wanted::take(&mut parts.headers)? else { return Ok(None) };
    slot.impersonated(&wanted.as_user());
    let impersonated = modes::impersonate(chain, requestor, &wanted, &Attributes::from(info))?;
    slot.impersonated(&impersonated.user);
    if !impersonated.constraint.is_empty() {
        slot.impersonation_constraint(impersonated.constraint);
    }
    Ok(Some(impersonated.user))
}

#[cfg(test)]
mod tests;
