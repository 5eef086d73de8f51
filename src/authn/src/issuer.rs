//! Makes service account tokens.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::{ApiError, Result};
use portcullis_pki::SigningKey;
use serde_json::json;

use crate::ConfigError;
use crate::jwt::{Binding, Claims, Reference, Seconds};

/// The lifetime kubelets ask for where an old client may not reload its token: such a token warns
/// after this time and expires only after [`EXTENDED_SECONDS`].
const WARN_SECONDS: i64 = 60 * 60 + 7;
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

/// The account a token is for.
#[derive(Clone, Copy, Debug)]
pub struct ServiceAccount<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

/// The object a token lives and dies with.
#[derive(Clone, Debug)]
pub enum BoundObject {
    /// A pod; the node it runs on is told beside it (an empty uid where the node does not exist).
    Pod {
        /// The pod's name.
        name: String,
        /// The pod's uid.
        uid: String,
        /// The node's name and uid, once the pod has a node.
        node: Option<(String, String)>,
    },
    /// A secret.
    Secret {
        /// The secret's name.
        name: String,
        /// The secret's uid.
        uid: String,
    },
    /// A node.
    Node {
        /// The node's name.
        name: String,
        /// The node's uid.
        uid: String,
    },
}

/// A new token. Its `Debug` shows only the id.
pub struct MintedToken {
    /// The token.
    pub token: String,
    /// Its id, as audit events show it: `JTI=…`.
    pub credential_id: String,
    /// The end to tell the client (a token that only warns lives longer).
    pub expires_at: Timestamp,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its real end.
    pub good_until: Timestamp,
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("id", &self.credential_id).finish_non_exhaustive()
    }
}

/// Signs tokens.
pub struct TokenIssuer {
    issuer: String,
    audiences: Vec<String>,
    key: ArcSwap<SigningKey>,
}

impl TokenIssuer {
    /// Signs in the name of an issuer; `audiences` are the server's own.
    pub fn new(issuer: &str, audiences: Vec<String>, key: Arc<SigningKey>) -> Result<Self, ConfigError> {
        let plain = issuer.starts_with("https://") && !issuer.contains(['?', '#']);
        if !plain {
            return Err(ConfigError::Issuer(issuer.to_owned()));
        }
        Ok(Self { issuer: issuer.to_owned(), audiences, key: ArcSwap::new(key) })
    }

    /// The issuer in the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audiences of a token that asks for none.
    pub fn default_audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Signs with another key from now on. Its public half must be among the verification keys before.
    pub fn rotate(&self, key: Arc<SigningKey>) {
        self.key.store(key);
    }

    /// A new token. The request it answers was validated: `audiences` is not empty, `ttl_seconds` positive.
    pub fn issue(
        &self,
        account: ServiceAccount<'_>,
        audiences: &[String],
        ttl_seconds: i64,
        bound: Option<&BoundObject>,
    ) -> Result<MintedToken> {
        let now = whole_second(Timestamp::now());
        let id = uuid::Uuid::new_v4().to_string();
        let claims = self.claims(account, audiences, ttl_seconds, bound, now, &id)?;
        Ok(MintedToken {
            token: self.sign(&claims)?,
            credential_id: format!("JTI={id}"),
            expires_at: after(now, ttl_seconds)?,
            issued_at: now,
            good_until: claims.exp.0,
        })
    }

    fn claims(
        &self,
        account: ServiceAccount<'_>,
        audiences: &[String],
        ttl_seconds: i64,
        bound: Option<&BoundObject>,
        now: Timestamp,
        id: &str,
    ) -> Result<Claims> {
        let only_ours = audiences.iter().all(|audience| self.audiences.contains(audience));
        let of_pod = matches!(bound, Some(BoundObject::Pod { .. }));
        let (lifetime, warns) = match of_pod && only_ours && ttl_seconds == WARN_SECONDS {
            true => (EXTENDED_SECONDS, Some(ttl_seconds)),
            false => (ttl_seconds, None),
        };
        let mut kubernetes = binding(account, bound);
        kubernetes.warnafter = warns.map(|seconds| after(now, seconds)).transpose()?.map(Seconds);
        Ok(Claims {
            aud: audiences.to_vec(),
            exp: Seconds(after(now, lifetime)?),
            iat: Seconds(now),
            iss: self.issuer.clone(),
            jti: id.to_owned(),
            kubernetes,
            nbf: Seconds(now),
            sub: format!("system:serviceaccount:{}:{}", account.namespace, account.name),
        })
    }

    fn sign(&self, claims: &Claims) -> Result<String> {
        let failed = |e: &dyn fmt::Display| ApiError::internal(format!("failed to generate token: {e}"));
        let key = self.key.load();
        let header = json!({"alg": key.public().algorithm().as_str(), "kid": key.public().kid()});
        let payload = serde_json::to_vec(claims).map_err(|e| failed(&e))?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.sign(token.as_bytes()).map_err(|e| failed(&e))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn binding(account: ServiceAccount<'_>, bound: Option<&BoundObject>) -> Binding {
    let reference = |name: &str, uid: &str| Some(Reference { name: name.to_owned(), uid: uid.to_owned() });
    let mut binding = Binding {
        namespace: account.namespace.to_owned(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: Reference { name: account.name.to_owned(), uid: account.uid.to_owned() },
        warnafter: None,
    };
    match bound {
        None => {}
        Some(BoundObject::Pod { name, uid, node }) => {
            binding.pod = reference(name, uid);
            binding.node = node.as_ref().and_then(|(name, uid)| reference(name, uid));
        }
        Some(BoundObject::Secret { name, uid }) => binding.secret = reference(name, uid),
        Some(BoundObject::Node { name, uid }) => binding.node = reference(name, uid),
    }
    binding
}

fn after(now: Timestamp, seconds: i64) -> Result<Timestamp> {
    let end = now.checked_add(SignedDuration::from_secs(seconds));
    end.map_err(|_| ApiError::internal("a token's lifetime leaves the calendar"))
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
