//! The gate that settles whose rights count: `Audited<Authenticated>` in, `Effective` out.
//!
//! `Impersonate-*` headers leave the request here; nothing below can tell that there were any but
//! audit, which knows both users.

mod modes;
mod wanted;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::{BoxFuture, Either, Ready, ready};
use http::Response;
use portcullis_api::{ApiError, Body, UserInfo};
use portcullis_audit::{Audited, Latency};
use portcullis_authn::{Attributed, Authenticated, Life};
use tower::{Layer, Service};

use self::wanted::Wanted;
use crate::answers::{Answers, Asking};
use crate::attributes::Attributes;
use crate::chain::Chain;
use crate::evidence::Effective;

type Answer<T = Response<Body>> = Result<T, ApiError>;

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
    S: Service<Effective, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Either<Either<Ready<Answer>, BoxFuture<'static, Answer>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Answer<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Audited<Authenticated>) -> Self::Future {
        let authenticated = request.into_inner();
        let life = authenticated.life().clone();
        let (mut request, user) = authenticated.into_parts();
        let wanted = match Wanted::take(&mut request.parts.headers) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => {
                return Either::Right(self.inner.call(Effective::assertion(request, user, None, life)));
            }
            Err(refusal) => return Either::Left(Either::Left(ready(Err(refusal)))),
        };
        let attempt = Attempt { chain: Arc::clone(&self.chain), wanted, request, user, life };
        let (answers, begun) = (Answers::default(), Instant::now());
        let outcome = attempt.act_as(&answers);
        if answers.are_missing() {
            // The service that was found ready is the one to be called.
            let other = self.clone();
            let mut ready = std::mem::replace(self, other);
            return Either::Left(Either::Right(Box::pin(async move {
                let slot = attempt.request.slot.clone();
                let outcome = attempt.wait(answers).await;
                slot.took(Latency::Impersonation, begun.elapsed());
                let effective = outcome?;
                ready.inner.call(effective).await
            })));
        }
        attempt.request.slot.took(Latency::Impersonation, begun.elapsed());
        match outcome {
            Ok(other) => Either::Right(self.inner.call(attempt.become_of(other))),
            Err(refusal) => Either::Left(Either::Left(ready(Err(refusal)))),
        }
    }
}

/// Takes the `Impersonate-*` headers out of a request: whom they ask for, before anybody decides; exists to be fuzzed.
///
/// # Errors
/// 400 where they have no one reading.
pub fn take_impersonation(headers: &mut http::HeaderMap) -> Result<Option<UserInfo>, ApiError> {
    Wanted::take(headers).map(|wanted| wanted.map(|wanted| wanted.as_user()))
}

/// A request of somebody who wants to act as somebody else.
struct Attempt {
    chain: Arc<Chain>,
    wanted: Wanted,
    request: Attributed,
    user: UserInfo,
    life: Life,
}

impl Attempt {
    /// The user that the request may act as, by the answers of webhooks that there are. Audit learns of the attempt
    /// either way, and of the user only when the request acts as that user.
    fn act_as(&self, answers: &Answers) -> Result<UserInfo, ApiError> {
        let Self { chain, wanted, request, user, .. } = self;
        let asking = Asking::new(chain, answers);
        let outcome = modes::impersonate(asking, user, wanted, &Attributes::from(&*request.info));
        let impersonated = outcome.inspect_err(|_| {
            // What webhooks have not answered yet is asked again.
            if !answers.are_missing() {
                request.slot.impersonation_refused(&wanted.as_user().name);
            }
        })?;
        request.slot.impersonated(&impersonated.user);
        if !impersonated.constraint.is_empty() {
            request.slot.impersonation_constraint(impersonated.constraint);
        }
        Ok(impersonated.user)
    }

    /// What becomes of the request once all answers of webhooks are there.
    async fn wait(self, answers: Answers) -> Result<Effective, ApiError> {
        loop {
            let more = answers.fetch().await;
            let outcome = self.act_as(&answers);
            if !(more && answers.are_missing()) {
                return outcome.map(|other| self.become_of(other));
            }
        }
    }

    fn become_of(self, other: UserInfo) -> Effective {
        Effective::assertion(self.request, other, Some(self.user), self.life)
    }
}

#[cfg(test)]
mod tests;
