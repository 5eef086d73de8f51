//! All schemes together, in upstream's order.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use portcullis_api::{ApiError, Result};
use portcullis_pki::Peer;

use crate::attempt::{Attempt, Identity, Method, Rejection};
use crate::bearer::{self, Bearer};
use crate::front_proxy::{FrontProxy, FrontProxyHeaders};
use crate::metrics::Metrics;
use crate::{Anonymous, X509, websocket};

/// A scheme that knows bearer tokens.
#[async_trait]
pub trait TokenScheme: Send + Sync + 'static {
    /// Says whose token it is. `audiences` are the ones asked for.
    async fn authenticate(&self, token: &str, audiences: &[String], now: Timestamp) -> Attempt;

    /// Whether its identities carry audiences of their own; all others are good for the server's.
    fn knows_audiences(&self) -> bool {
        false
    }
}

/// What an [`Authenticator`] is made of.
#[derive(Default)]
pub struct Schemes {
    /// The audiences of the server; tokens for others are not for us.
    pub audiences: Vec<String>,
    /// The front proxy, if there is one.
    pub front_proxy: Option<FrontProxy>,
    /// Client certificates.
    pub x509: X509,
    /// Bearer tokens, in order.
    pub tokens: Vec<Arc<dyn TokenScheme>>,
    /// Requests without a credential.
    pub anonymous: Anonymous,
}

/// Says who is asking.
pub struct Authenticator {
    schemes: Schemes,
    anonymous: ArcSwap<Anonymous>,
    standard_headers: FrontProxyHeaders,
    metrics: Metrics,
}

impl Authenticator {
    /// Uses these schemes.
    pub fn new(schemes: Schemes) -> Arc<Self> {
        Arc::new(Self {
            anonymous: ArcSwap::from_pointee(schemes.anonymous.clone()),
            schemes,
            standard_headers: FrontProxyHeaders::default(),
            metrics: Metrics::default(),
        })
    }

    /// Serves requests without a credential by this rule from now on.
    pub fn set_anonymous(&self, anonymous: Anonymous) {
        self.anonymous.store(Arc::new(anonymous));
    }

    /// The rule for requests without a credential.
    pub fn anonymous(&self) -> Arc<Anonymous> {
        self.anonymous.load_full()
    }

    /// The audiences of the server.
    pub fn audiences(&self) -> &[String] {
        &self.schemes.audiences
    }

    /// Says who asks, and takes every credential out of the request. A refusal is 401, its reasons
    /// for the log only; 400 where a credential can be read in two ways.
    pub async fn authenticate(&self, parts: &mut Parts, peer: &Peer, now: Timestamp) -> Result<Identity> {
        let outcome = self.decide(&parts.headers, parts.uri.path(), peer, now).await;
        self.metrics.count(&outcome);
        let identity = outcome?;
        self.strip(&mut parts.headers);
        Ok(identity)
    }

    async fn decide(&self, headers: &HeaderMap, path: &str, peer: &Peer, now: Timestamp) -> Result<Identity> {
        let mut rejections = Vec::new();
        let bearer = bearer::bearer(headers)?;
        if let Some(identity) = verified(self.of_connection(headers, peer, now)?, &mut rejections) {
            return Ok(identity);
        }
        let attempt = match bearer {
            Bearer::Absent => Attempt::NotMine,
            Bearer::Token(token) => self.of_token(token, &self.schemes.audiences, now).await,
            Bearer::Unusable => bearer::unknown_token(),
        };
        if let Some(identity) = verified(attempt, &mut rejections) {
            return Ok(identity);
        }
        let attempt = match websocket::token(headers) {
            Ok(None) => Attempt::NotMine,
            Ok(Some(token)) => self.of_token(&token, &self.schemes.audiences, now).await,
            Err(rejection) => Attempt::Rejected(rejection),
        };
        if let Some(identity) = verified(attempt, &mut rejections) {
            return Ok(identity);
        }
        if !rejections.is_empty() {
            return Err(ApiError::unauthorized().with_log(joined(&rejections)));
        }
        match self.anonymous.load().authenticate(path) {
            Attempt::Verified(identity) => Ok(identity),
            _ => Err(ApiError::unauthorized().with_log("no credential")),
        }
    }

    /// Whoever the connection itself speaks for. Upstream asks certificates before tokens, the front
    /// proxy's first; of the two rejections a bad certificate gets, its own is the one that says why.
    fn of_connection(&self, headers: &HeaderMap, peer: &Peer, now: Timestamp) -> Result<Attempt> {
        if let Peer::InProcess(part) = peer {
            let identity = Identity::new(part.user().clone(), Method::InProcess, None);
            return Ok(Attempt::Verified(identity));
        }
        if let Some(proxy) = &self.schemes.front_proxy {
            match proxy.authenticate(headers, peer, now)? {
                Attempt::NotMine => {}
                other => return Ok(other),
            }
        }
        Ok(self.schemes.x509.authenticate(peer, now))
    }

    /// Asks every token scheme. A token that nobody knows is rejected.
    pub(crate) async fn of_token(&self, token: &str, asked: &[String], now: Timestamp) -> Attempt {
        let mut rejections = Vec::new();
        for scheme in &self.schemes.tokens {
            // A scheme without audiences vouches for the server's own ones.
            let common = self.own_audiences(asked);
            if !scheme.knows_audiences() && common.is_empty() && !self.schemes.audiences.is_empty() {
                continue;
            }
            match scheme.authenticate(token, asked, now).await {
                Attempt::NotMine => {}
                Attempt::Verified(mut identity) => {
                    identity.audiences.get_or_insert(common);
                    return Attempt::Verified(identity);
                }
                Attempt::Rejected(rejection) => rejections.push(rejection),
            }
        }
        if rejections.is_empty() {
            return bearer::unknown_token();
        }
        Attempt::Rejected(Rejection::new(joined(&rejections)))
    }

    fn own_audiences(&self, asked: &[String]) -> Vec<String> {
        asked.iter().filter(|audience| self.schemes.audiences.contains(audience)).cloned().collect()
    }

    fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        websocket::strip(headers);
        self.standard_headers.strip(headers);
        if let Some(proxy) = &self.schemes.front_proxy {
            proxy.headers.strip(headers);
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("audiences", &self.schemes.audiences).finish_non_exhaustive()
    }
}

fn verified(attempt: Attempt, rejections: &mut Vec<Rejection>) -> Option<Identity> {
    match attempt {
        Attempt::Verified(identity) => return Some(identity),
        Attempt::Rejected(rejection) => rejections.push(rejection),
        Attempt::NotMine => {}
    }
    None
}

/// Several reasons as Go's error aggregate prints them: each once, in brackets if more than one.
pub(crate) fn joined(rejections: &[Rejection]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for rejection in rejections {
        if !distinct.contains(&rejection.as_str()) {
            distinct.push(rejection.as_str());
        }
    }
    match distinct.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests;
