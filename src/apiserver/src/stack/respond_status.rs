//! `Raw` in, `Arrival` down, bytes up: where a request gets its id and an error its form.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, WARNING, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response};
use portcullis_api::{ApiError, Body, warning};
use tower::{Layer, Service};
use tracing::{error, warn};

use crate::arrival::{Arrival, Raw};
use crate::respond::{self, NO_CACHE, Wish};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Makes [`RespondStatus`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RespondStatusLayer;

impl<S> Layer<S> for RespondStatusLayer {
    type Service = RespondStatus<S>;

    fn layer(&self, inner: S) -> RespondStatus<S> {
        RespondStatus { inner }
    }
}

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct RespondStatus<S> {
    inner: S,
}

impl<S> Service<Raw> for RespondStatus<S>
where
    S: Service<Arrival, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing below holds requests back by readiness; a refusal is an answer, not a wait.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, raw: Raw) -> Self::Future {
        let arrival = Arrival::new(raw);
        let wish = Wish::of(arrival.request.headers(), arrival.request.uri().query());
        let audit_id = HeaderValue::from_str(&arrival.audit_id);
        let answer = self.inner.call(arrival);
        Box::pin(async move {
            let mut response = match answer.await {
                Ok(response) => response,
                Err(error) => {
                    log(&error, audit_id.as_ref().ok());
                    warned(respond::negotiated(&error, wish), &error)
                }
            };
            let headers = response.headers_mut();
            if let Ok(id) = audit_id {
                headers.insert(AUDIT_ID, id);
            }
            headers.entry(CACHE_CONTROL).or_insert(NO_CACHE);
            // Objects hold text of others: no browser may take it for a page.
            headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
            Ok(response)
        })
    }
}

/// Puts what was learned before the request was refused beside the refusal.
fn warned(mut response: Response<Body>, error: &ApiError) -> Response<Body> {
    for (name, value) in error.headers() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    for header in error.warnings().iter().filter_map(|text| warning::header(text)) {
        response.headers_mut().append(WARNING, header);
    }
    response
}

/// The words that only the log sees.
fn log(error: &ApiError, audit_id: Option<&HeaderValue>) {
    let Some(words) = error.log() else { return };
    let id = audit_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    if error.code().is_server_error() {
        error!(audit_id = id, code = error.code().as_u16(), words, "Request failed");
    } else {
        warn!(audit_id = id, code = error.code().as_u16(), words, "Request refused");
    }
}
