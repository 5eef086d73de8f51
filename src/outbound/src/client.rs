//! The client: connections that are kept, calls that end.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use portcullis_pki::LiveCertificate;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::dial::Dialer;
use crate::endpoint::{self, Authorization, CertificateSource, Endpoint};
use crate::error::{CallError, Cause, ConfigError, cause_of};
use crate::reply::{Reply, go_method};
use crate::retry::Backoff;

const IDLE: Duration = Duration::from_secs(90);
const MAX_IDLE: usize = 25;
/// How long what a credential's file held is believed to be what it holds.
const FRESH: Duration = Duration::from_secs(10);
const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long a call may take, connecting and reading included, and how much may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The deadline of one call.
    pub deadline: Duration,
    /// The largest answer in bytes.
    pub largest: usize,
}

impl Default for Limits {
    /// Upstream's 30 seconds, and 3 MiB.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), largest: 3 << 20 }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: Option<Uri>,
    query: Option<String>,
    body: Bytes,
    headers: HeaderMap,
    deadline: Option<Duration>,
}

impl Request {
    /// Asks for a document.
    pub fn get() -> Self {
        Self::new(Method::GET, Bytes::new())
    }

    /// Sends JSON that is already bytes.
    pub fn post(body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(Method::POST, body.into());
        request.headers.insert(CONTENT_TYPE, JSON);
        request
    }

    /// Sends a value as JSON.
    pub fn post_json<T: Serialize>(value: &T) -> serde_json::Result<Self> {
        serde_json::to_vec(value).map(Self::post)
    }

    fn new(method: Method, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
        Self { method, url: None, query: None, body, headers, deadline: None }
    }

    /// Goes to this address instead of the endpoint's own: for endpoints without a credential only.
    pub fn at(mut self, url: Uri) -> Self {
        self.url = Some(url);
        self
    }

    /// Adds `name=value` pairs to the address; they must be encoded.
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Sends a header.
    pub fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Has a deadline of its own.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// Calls one endpoint; cloned freely, the connections are shared.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: legacy::Client<HttpsConnector<Dialer>, Full<Bytes>>,
    endpoint: Endpoint,
    limits: Limits,
    certificate: Option<Arc<LiveCertificate>>,
    fresh: Mutex<Fresh>,
}

/// What the credential's files held when they were last read.
struct Fresh {
    until: Instant,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of this endpoint. Credential files are read now, and again when they may have changed.
    pub fn new(endpoint: Endpoint, limits: Limits) -> Result<Self, ConfigError> {
        let certificate = match &endpoint.credential.certificate {
            None => None,
            Some(source) => {
                let (chain, key) = pair(source)?;
                Some(LiveCertificate::from_pem(&chain, &key)?)
            }
        };
        let authorization = authorization(&endpoint)?;
        let http = transport(&endpoint, certificate.clone())?;
        let fresh = Mutex::new(Fresh { until: Instant::now() + FRESH, authorization });
        Ok(Self(Arc::new(Inner { http, endpoint, limits, certificate, fresh })))
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Makes one call. The answer is whatever came, except redirects and packed bodies, which are errors.
    pub async fn send(&self, request: &Request) -> Result<Reply, CallError> {
        let url = self.url(request);
        let failed = |cause| CallError { method: go_method(&request.method), url: url.to_string(), cause };
        if self.is_foreign(&url) {
            return Err(failed(Cause::Foreign));
        }
        let deadline = request.deadline.unwrap_or(self.0.limits.deadline);
        match tokio::time::timeout(deadline, self.exchange(request, &url)).await {
            Ok(outcome) => outcome.map_err(failed),
            Err(_) => Err(failed(Cause::Deadline)),
        }
    }

    /// Calls until the answer is a success, or an error that will not pass, or `backoff` ends. Only for
    /// calls that may be made twice.
    pub async fn send_again(&self, request: &Request, backoff: Backoff) -> Result<Reply, CallError> {
        self.send_while(request, backoff, CallError::may_pass).await
    }

    /// Calls until the answer is a success, or an error after which `again` wants no other call, or
    /// `backoff` ends. Only for calls that may be made twice.
    pub async fn send_while(
        &self,
        request: &Request,
        backoff: Backoff,
        again: impl Fn(&CallError) -> bool,
    ) -> Result<Reply, CallError> {
        self.send_each(request, backoff, again, |_, _| {}).await
    }

    /// As [`Client::send_again`], telling how long each call took and how it ended.
    pub async fn send_again_telling(
        &self,
        request: &Request,
        backoff: Backoff,
        tell: impl FnMut(Duration, Result<(), &CallError>),
    ) -> Result<Reply, CallError> {
        self.send_each(request, backoff, CallError::may_pass, tell).await
    }

    async fn send_each(
        &self,
        request: &Request,
        backoff: Backoff,
        again: impl Fn(&CallError) -> bool,
        mut tell: impl FnMut(Duration, Result<(), &CallError>),
    ) -> Result<Reply, CallError> {
        let mut made = 0;
        loop {
            let begun = Instant::now();
            let outcome = self.send(request).await.and_then(Reply::success);
            tell(begun.elapsed(), outcome.as_ref().map(drop));
            made += 1;
            let Err(error) = &outcome else { return outcome };
            let Some(pause) = backoff.pause(made).filter(|_| again(error)) else { return outcome };
            tokio::time::sleep(pause.max(error.retry_after().unwrap_or_default())).await;
        }
    }

    async fn exchange(&self, request: &Request, url: &Uri) -> Result<Reply, Cause> {
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = url.clone();
        *message.headers_mut() = request.headers.clone();
        message.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = self.authorization() {
            message.headers_mut().insert(AUTHORIZATION, authorization);
        }
        message.headers_mut().remove(HOST);
        let answer = self.0.http.request(message).await.map_err(|error| cause_of(&error))?;
        let (head, body) = answer.into_parts();
        if head.status.is_redirection() {
            return Err(Cause::Redirect(head.status));
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Cause::Encoded);
        }
        let body = whole(body, self.0.limits.largest).await?;
        let method = request.method.clone();
        Ok(Reply { method, url: url.to_string(), status: head.status, headers: head.headers, body })
    }

    fn url(&self, request: &Request) -> Uri {
        let url = request.url.as_ref().unwrap_or(&self.0.endpoint.url);
        let Some(query) = &request.query else { return url.clone() };
        let separator = if url.query().is_some() { '&' } else { '?' };
        // An address with a query of our own making is an address; if it were not, the call goes without.
        format!("{url}{separator}{query}").parse().unwrap_or_else(|_| url.clone())
    }

    fn is_foreign(&self, url: &Uri) -> bool {
        let own = &self.0.endpoint.url;
        let elsewhere = url.authority() != own.authority() || url.scheme() != own.scheme();
        elsewhere && (!self.0.endpoint.credential.is_none() || self.0.endpoint.route.is_some())
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let mut fresh = self.0.fresh.lock();
        if fresh.until <= Instant::now() {
            fresh.until = Instant::now() + FRESH;
            // A file that cannot be read just now, being replaced perhaps, leaves the last one in use.
            if let Ok(read) = authorization(&self.0.endpoint) {
                fresh.authorization = read;
            }
            self.refresh_certificate();
        }
        fresh.authorization.clone()
    }

    fn refresh_certificate(&self) {
        if let Some(live) = &self.0.certificate
            && let Some(source @ CertificateSource::Files { .. }) = &self.0.endpoint.credential.certificate
            && let Ok((chain, key)) = pair(source)
        {
            // A pair that does not fit, one of the two being replaced, leaves the last one in use.
            let _ = live.replace(&chain, &key);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.endpoint).finish()
    }
}

fn transport(
    endpoint: &Endpoint,
    certificate: Option<Arc<LiveCertificate>>,
) -> Result<legacy::Client<HttpsConnector<Dialer>, Full<Bytes>>, ConfigError> {
    let mut tls = portcullis_pki::client_config_for(&endpoint.trust, certificate)?.as_ref().clone();
    // The connector announces the protocols it was built with, and refuses to be told.
    tls.alpn_protocols.clear();
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &endpoint.server_name {
        let refused = |_| ConfigError::Address { address: name.clone(), why: "is no server name" };
        let name = rustls::pki_types::ServerName::try_from(name.clone()).map_err(refused)?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let dialer = Dialer { guard: endpoint.guard, route: endpoint.route.clone() };
    let connector = if endpoint.http1_only {
        builder.enable_http1().wrap_connector(dialer)
    } else {
        builder.enable_all_versions().wrap_connector(dialer)
    };
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector))
}

async fn whole(mut body: hyper::body::Incoming, largest: usize) -> Result<Bytes, Cause> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| cause_of(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > largest {
            return Err(Cause::TooLarge(largest));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn authorization(endpoint: &Endpoint) -> Result<Option<HeaderValue>, ConfigError> {
    match &endpoint.credential.authorization {
        None => Ok(None),
        Some(Authorization::Fixed(value)) => Ok(Some(value.clone())),
        Some(Authorization::TokenFile(path)) => endpoint::bearer(&read("token file", path)?).map(Some),
    }
}

fn pair(source: &CertificateSource) -> Result<(Zeroizing<String>, Zeroizing<String>), ConfigError> {
    match source {
        CertificateSource::Pem { chain, key } => Ok((Zeroizing::new(chain.clone()), key.clone())),
        CertificateSource::Files { chain, key } => {
            Ok((read("client certificate", chain)?, read("client key", key)?))
        }
    }
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { what, path: PathBuf::from(path), cause };
    fs::read_to_string(path).map(Zeroizing::new).map_err(unreadable)
}

#[cfg(test)]
mod tests;
