//! Tokens of identity providers (OpenID Connect), as upstream's `AuthenticationConfiguration` names them.
//!
//! ```text
//! config    the file's `jwt` list, checked in upstream's words
//! token     the compact form; every registered claim has its type, none is there twice
//! provider  discovery and key set of one issuer: fetched, kept, fetched again when keys roll over
//! jwk       keys by what they can verify; the algorithm belongs to the key, the token only names it
//! mapping   claims -> user, by claims or expressions
//! ```
//!
//! Not mine: what is no JWT, or has another issuer. Rejected: everything else that does not hold.
//! `iss`, `sub`, `aud` and `exp` are required, as OpenID Connect demands; upstream requires less.

pub(crate) mod config;
mod expressions;
mod jwk;
mod mapping;
mod provider;
mod token;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::ConfigError;
use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::authenticator::TokenScheme;
use crate::life::{Life, StillGood};
use config::JwtIssuer;
use provider::Provider;
use token::Unverified;

pub use jwk::usable_keys;
pub use provider::keys_address;
pub use token::claims_of_unverified_token;

/// The scheme: all issuers, replaced as a whole when the configuration changes.
#[derive(Default)]
pub struct OidcTokens(Arc<ArcSwap<Vec<Arc<Issuer>>>>);

struct Issuer {
    config: JwtIssuer,
    provider: Provider,
}

/// A token's issuer is believed as long as the configuration names it, unchanged.
struct Believed {
    issuer: Arc<Issuer>,
    now: Arc<ArcSwap<Vec<Arc<Issuer>>>>,
}

impl StillGood for Believed {
    fn is_good(&self, _now: Timestamp) -> bool {
        self.now.load().iter().any(|issuer| Arc::ptr_eq(issuer, &self.issuer))
    }
}

impl OidcTokens {
    /// Believes tokens of these issuers.
    pub fn new(issuers: Vec<JwtIssuer>) -> Result<Self, ConfigError> {
        let scheme = Self::default();
        scheme.replace(issuers)?;
        Ok(scheme)
    }

    /// Believes these from now on. The keys of issuers that stay as they were are kept.
    pub fn replace(&self, issuers: Vec<JwtIssuer>) -> Result<(), ConfigError> {
        let old = self.0.load();
        let new = issuers.into_iter().map(|config| {
            if let Some(same) = old.iter().find(|issuer| issuer.config == config) {
                return Ok(same.clone());
            }
            let provider = Provider::new(&config)?;
            Ok(Arc::new(Issuer { config, provider }))
        });
        let new = new.collect::<Result<_, ConfigError>>()?;
        self.0.store(Arc::new(new));
        Ok(())
    }

    /// Fetches what is not yet known of the issuers, so that the first token need not wait for it.
    pub async fn warm_up(&self) {
        for issuer in self.0.load_full().iter() {
            issuer.provider.warm_up().await;
        }
    }
}

impl Issuer {
    async fn verify(&self, token: &Unverified<'_>, now: Timestamp) -> Result<Identity, Rejection> {
        let verify = |why: &str| Rejection::new(format!("oidc: verify token: {why}"));
        if !self.config.algorithms.contains(&token.header.alg) {
            return Err(verify(&format!(
                "oidc: id token signed with unsupported algorithm, expected {} got {:?}",
                go_list(&self.config.algorithms),
                token.header.alg
            )));
        }
        token.check_time(now).map_err(|why| verify(&why))?;
        if !token.claims.aud.iter().any(|aud| self.config.audiences.contains(aud)) {
            return Err(verify(&format!(
                "oidc: expected audience in {} got {}",
                go_list(&self.config.audiences),
                go_list(&token.claims.aud)
            )));
        }
        self.provider.check_signature(token).await.map_err(|why| verify(&why))?;
        let user = mapping::user(&self.config, &token.claims)?;
        let identity = Identity::new(authenticated(user), Method::Oidc, None);
        Ok(Identity { life: Life::until(Some(token.claims.exp)), ..identity })
    }
}

#[async_trait]
impl TokenScheme for OidcTokens {
    async fn authenticate(&self, token: &str, _audiences: &[String], now: Timestamp) -> Attempt {
        let issuers = self.0.load_full();
        if issuers.is_empty() {
            return Attempt::NotMine;
        }
        let Some(claimed) = token::untrusted_issuer(token) else { return Attempt::NotMine };
        let Some(issuer) = issuers.iter().find(|issuer| issuer.config.url == claimed) else {
            return Attempt::NotMine;
        };
        let verified = match Unverified::parse(token) {
            Ok(unverified) => issuer.verify(&unverified, now).await.map(|identity| {
                let believed = Believed { issuer: issuer.clone(), now: self.0.clone() };
                let life = identity.life.clone().while_good(Arc::new(believed));
                Identity { life, ..identity }
            }),
            Err(why) => Err(Rejection::new(format!("oidc: verify token: {why}"))),
        };
        verified.map_or_else(Attempt::Rejected, Attempt::Verified)
    }
}

impl fmt::Debug for OidcTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.load();
        f.debug_list().entries(issuers.iter().map(|issuer| &issuer.config.url)).finish()
    }
}

/// A list of strings as Go prints it with `%q`.
fn go_list(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

#[cfg(test)]
mod tests;
