//! One identity provider: where its keys are, and which they are now.
//!
//! Nothing is fetched for a token whose key is known. Keys are fetched again when a token names one that
//! is not, when none of them made the signature, and when they are old, so that a key the provider took
//! back is not believed for ever. A flood of tokens with invented keys makes no flood of calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::Uri;
use portcullis_outbound::{Backoff, Client, Endpoint, Limits, Reply, Request};
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::config::JwtIssuer;
use super::jwk::{self, Key};
use super::token::Unverified;
use crate::ConfigError;
use crate::mapping::Mapping;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// The least time between two fetches.
const PAUSE: Duration = Duration::from_secs(5);
/// For how long keys are believed without another look.
const USUAL_AGE: Duration = Duration::from_secs(10 * 60);
const LEAST_AGE: Duration = Duration::from_secs(60);
const MOST_AGE: Duration = Duration::from_secs(60 * 60);
const LIMITS: Limits = Limits { deadline: Duration::from_secs(10), largest: 1 << 20 };

/// A provider.
pub(super) struct Provider {
    issuer: String,
    discovery: Uri,
    client: Client,
    keys: ArcSwapOption<Keys>,
    fetching: Mutex<Fetching>,
}

struct Keys {
    keys: Vec<Key>,
    fresh_until: Instant,
}

#[derive(Default)]
struct Fetching {
    last: Option<Instant>,
    jwks: Option<Uri>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl Provider {
    pub(super) fn new(config: &JwtIssuer) -> Result<Self, ConfigError> {
        let own = || format!("{}{WELL_KNOWN}", config.url.trim_end_matches('/'));
        let address = config.discovery_url.clone().unwrap_or_else(own);
        let bad = |error: portcullis_outbound::ConfigError| ConfigError::Provider(error.to_string());
        let mut endpoint = Endpoint::new(&address).map_err(bad)?;
        if let Some(pem) = &config.authority_pem {
            endpoint = endpoint.with_authorities(pem).map_err(bad)?;
        }
        let discovery = endpoint.url().clone();
        let client = Client::new(endpoint, LIMITS).map_err(bad)?;
        let (keys, fetching) = (ArcSwapOption::default(), Mutex::default());
        Ok(Self { issuer: config.url.clone(), discovery, client, keys, fetching })
    }

    /// Fetches the keys if they are not known.
    pub(super) async fn warm_up(&self) {
        if self.keys.load().is_none() {
            self.fetch(Instant::now()).await;
        }
    }

    /// Another fetch may be made at once.
    #[cfg(test)]
    pub(super) async fn forget_last_fetch(&self) {
        self.fetching.lock().await.last = None;
    }

    /// Whether a key of the provider made the token's signature.
    pub(super) async fn check_signature(&self, token: &Unverified<'_>) -> Result<(), String> {
        let asked = Instant::now();
        if let Some(keys) = self.keys.load_full()
            && asked < keys.fresh_until
            && keys.verify(token)
        {
            return Ok(());
        }
        self.fetch(asked).await;
        match self.keys.load_full() {
            None => Err("oidc: authenticator not initialized".to_owned()),
            Some(keys) if keys.verify(token) => Ok(()),
            Some(_) => Err("failed to verify signature: failed to verify id token signature".to_owned()),
        }
    }

    /// Fetches the keys, unless somebody did since `asked` or just before.
    async fn fetch(&self, asked: Instant) {
        let mut fetching = self.fetching.lock().await;
        if fetching.last.is_some_and(|last| last > asked || asked.duration_since(last) < PAUSE) {
            return;
        }
        fetching.last = Some(Instant::now());
        match self.fetched(&mut fetching.jwks).await {
            Ok(keys) => {
                info!(
                    issuer = self.issuer,
                    keys = keys.keys.len(),
                    "Fetched the keys of an identity provider"
                );
                self.keys.store(Some(Arc::new(keys)));
            }
            Err(why) => {
                // They may have moved.
                fetching.jwks = None;
                warn!(issuer = self.issuer, why, "The keys of an identity provider cannot be fetched");
            }
        }
    }

    async fn fetched(&self, jwks: &mut Option<Uri>) -> Result<Keys, String> {
        let address = match jwks {
            Some(known) => known.clone(),
            None => jwks.insert(self.discover().await?).clone(),
        };
        let reply = self.get(address).await?;
        let age = reply.max_age().map_or(USUAL_AGE, |age| age.clamp(LEAST_AGE, MOST_AGE));
        Ok(Keys { keys: jwk::parse_set(&reply.body)?, fresh_until: Instant::now() + age })
    }

    async fn discover(&self) -> Result<Uri, String> {
        let reply = self.get(self.discovery.clone()).await?;
        let Mapping(document): Mapping<Document> = reply.json().map_err(|error| error.to_string())?;
        document.keys(&self.issuer)
    }

    async fn get(&self, address: Uri) -> Result<Reply, String> {
        let request = Request::get().at(address);
        self.client.send_again(&request, Backoff::ONCE).await.map_err(|error| error.to_string())
    }
}

impl Document {
    /// Where the keys are, if it is the issuer's document.
    fn keys(&self, issuer: &str) -> Result<Uri, String> {
        if self.issuer != issuer {
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {issuer:?} got {:?}",
                self.issuer
            ));
        }
        let address = Endpoint::new(&self.jwks_uri).map_err(|error| error.to_string())?;
        Ok(address.url().clone())
    }
}

/// Where an issuer's document says its keys are; exists to be fuzzed.
///
/// # Errors
/// What is wrong with the document.
pub fn keys_address(document: &[u8], issuer: &str) -> Result<String, String> {
    let Mapping(document): Mapping<Document> =
        serde_json::from_slice(document).map_err(|error| error.to_string())?;
    document.keys(issuer).map(|address| address.to_string())
}

impl Keys {
    fn verify(&self, token: &Unverified<'_>) -> bool {
        let (header, signed) = (&token.header, token.signed.as_bytes());
        let mut candidates = self.keys.iter().filter(|key| key.is_named(header.kid.as_deref()));
        candidates.any(|key| key.verifies(&header.alg, signed, &token.signature))
    }
}
