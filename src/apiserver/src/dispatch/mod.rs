//! `Authorized` in, an answer out: the one place that knows what is served where.
//!
//! The path was parsed once; here it is only looked up. The body is still a stream.

mod counted;
mod route;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Method, Response};
use portcullis_api::{ApiError, Body, Value};
use portcullis_authz::{Authorities, Authorized, Budgets, Fairness};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use counted::Counted;
pub use route::{PUBLIC, Public};
use route::{Route, route};

use crate::discovery::{Discovery, Document};
use crate::health::{Health, not_found};
use crate::metrics::Metrics;
use crate::oidc::Oidc;
use crate::{policy, respond, version};

/// The service that carries resources: verbs, streams and proxies. It gets what is authorized, no less.
pub type Rest = BoxCloneSyncService<Authorized, Response<Body>, ApiError>;

/// What the server says of itself, made for each question.
pub(crate) type Posture = Arc<dyn Fn() -> Value + Send + Sync>;

/// What is answered from. Every gate keeps a copy of those below it for each request: a copy is a count.
#[derive(Clone)]
pub(crate) struct Dispatch(Arc<Sources>);

/// All that answers.
pub(crate) struct Sources {
    pub(crate) rest: Rest,
    pub(crate) discovery: Discovery,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) posture: Option<Posture>,
    pub(crate) authorities: Authorities,
    pub(crate) budgets: Budgets,
    pub(crate) fairness: Arc<Fairness>,
}

impl Service<Authorized> for Dispatch {
    type Response = Response<Body>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Authorized) -> Self::Future {
        let info = request.info().clone();
        if let Some(target) = info.resource() {
            if !self.0.discovery.knows(&target.group) {
                return ready(Ok(not_found()));
            }
            // Beyond the subresource only proxied paths go on.
            if !target.rest.is_empty() && &*target.subresource != "proxy" {
                return ready(Err(ApiError::no_such_path()));
            }
            // HEAD is authorized as a read and OPTIONS as no verb at all, but nobody serves them.
            if matches!(request.parts().method, Method::HEAD | Method::OPTIONS)
                && &*target.subresource != "proxy"
            {
                return ready(Err(ApiError::method_not_allowed()));
            }
            return self.0.count(request);
        }
        let sources = Arc::clone(&self.0);
        // Strangers are told whether the server is well, not what of it is not.
        let is_known = !request.user().in_group(portcullis_authn::UNAUTHENTICATED);
        Box::pin(async move { sources.answer(&info.path, request.parts(), is_known).await })
    }
}

impl Dispatch {
    /// Answers from these.
    pub(crate) fn new(sources: Sources) -> Self {
        Self(Arc::new(sources))
    }
}

impl Sources {
    /// Serves a resource; what the request and its answer hold in memory is counted.
    fn count(&self, request: Authorized) -> <Dispatch as Service<Authorized>>::Future {
        let counted = match Counted::of(&self.budgets, &request) {
            Ok(counted) => counted,
            Err(refused) => return ready(Err(refused)),
        };
        let answer = self.rest.clone().oneshot(counted.request(request));
        Box::pin(async move { counted.answer(answer.await?) })
    }

    /// Answers for what is no resource.
    async fn answer(&self, path: &str, parts: &Parts, is_known: bool) -> Result<Response<Body>, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let route = route(path);
        check_method(&route, &parts.method)?;
        match route {
            Route::Health(endpoint) => Ok(self.health.all(endpoint, query, is_known)),
            Route::HealthCheck(endpoint, name) => self.health.one(endpoint, name),
            Route::Version => Ok(version::document()),
            Route::Metrics => Ok(self.exposition()),
            Route::Policy(question) => question.answer(&self.authorities, query).await,
            Route::Posture => self.report().await,
            Route::OidcConfiguration => Ok(self.oidc.as_ref().map_or_else(not_found, Oidc::configuration)),
            Route::Jwks => Ok(self.oidc.as_ref().map_or_else(not_found, Oidc::jwks)),
            Route::OpenApi => self.discovery.openapi().answer(path, &parts.headers, query).await,
            Route::Discovery(document) => self.discover(document, parts),
            Route::Index => Ok(route::index(&self.discovery)),
            Route::BelowGroup(group) if self.discovery.knows(group) => Err(ApiError::no_such_path()),
            Route::BelowGroup(_) | Route::Nothing => Ok(not_found()),
        }
    }

    /// It reads files.
    async fn report(&self) -> Result<Response<Body>, ApiError> {
        let Some(report) = self.posture.clone() else { return Ok(not_found()) };
        let report = tokio::task::spawn_blocking(move || report()).await;
        report
            .map(|told| respond::json(told.to_string()))
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    fn discover(&self, document: Document<'_>, parts: &Parts) -> Result<Response<Body>, ApiError> {
        self.discovery.answer(document, &parts.headers).unwrap_or_else(|| match document {
            Document::Version(group, _) if self.discovery.knows(group) => Err(ApiError::no_such_path()),
            _ => Ok(not_found()),
        })
    }

    fn exposition(&self) -> Response<Body> {
        policy::measure(&self.authorities);
        counted::measure(&self.budgets);
        let mut response = respond::text(
            http::StatusCode::OK,
            format!("{}{}", self.metrics.render(), self.fairness.exposition()),
        );
        let media = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(http::header::CONTENT_TYPE, media);
        response
    }
}

/// Documents are read; only health checks answer HEAD too, since load balancers ask so.
fn check_method(route: &Route<'_>, method: &Method) -> Result<(), ApiError> {
    let allowed = match route {
        Route::Health(_) | Route::HealthCheck(..) => matches!(*method, Method::GET | Method::HEAD),
        Route::Nothing | Route::BelowGroup(_) => true,
        _ => *method == Method::GET,
    };
    if allowed { Ok(()) } else { Err(ApiError::method_not_allowed()) }
}

fn ready(
    answer: Result<Response<Body>, ApiError>,
) -> Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>> {
    Box::pin(std::future::ready(answer))
}
