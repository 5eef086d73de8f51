//! Service account tokens: signed by us, bound to objects that must still exist.
//!
//! Not mine: what is no compact JWT with a service account's claims, or has another issuer (legacy
//! secret-based tokens have: they are refused thereby). Rejected: everything else that does not hold.
//! One thing is stricter than upstream: `sub` must name the same account as the private claims.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

mod standing;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_api::UserInfo;

use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::authenticator::TokenScheme;
use crate::jwt::{Binding, Claims, LEEWAY, Reference, Unverified};
use crate::keys::KeySet;
use crate::life::Life;
use crate::lookup::{Facts, Lookup, Watched};
use crate::revoked_tokens::RevokedTokens;
use crate::signature_cache::{SignatureCache, Signed};
use crate::{CREDENTIAL_ID, ConfigError};
use standing::Standing;

/// The scheme.
pub struct ServiceAccountTokens {
    issuers: Vec<String>,
    keys: Arc<KeySet>,
    lookup: Arc<dyn Lookup>,
    revoked: Arc<RevokedTokens>,
    cache: SignatureCache,
}

impl ServiceAccountTokens {
    /// Believes tokens of these issuers, signed by these keys, while what they are bound to exists.
    pub fn new(
        issuers: Vec<String>,
        keys: Arc<KeySet>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, ConfigError> {
        Ok(Self { issuers, keys, lookup, revoked: Arc::default(), cache: SignatureCache::new()? })
    }

    /// Refuses what is on this list, at once and for streams that are open.
    #[must_use]
    pub fn minus(self, revoked: Arc<RevokedTokens>) -> Self {
        Self { revoked, ..self }
    }

    async fn verify(&self, token: &str, audiences: &[String], now: Timestamp) -> Result<Attempt, Rejection> {
        let Some(signed) = self.signed(token)? else { return Ok(Attempt::NotMine) };
        let claims = &signed.claims;
        let common = claims.audiences_among(audiences)?;
        claims.check_time(now)?;
        // Read before the list: a revocation that comes in between is seen by the streams' first look.
        let generation = self.revoked.generation();
        if self.revoked.covers(claims.traits()) {
            return Err(Rejection::new("service account token has been revoked"));
        }
        self.check_binding(&claims.kubernetes, now).await?;
        let standing = Standing::new(signed.clone(), self.keys.clone(), self.revoked.clone(), generation);
        let standing = standing.bound_by(self.lookup.clone());
        let identity = Identity {
            user: signed.user.clone(),
            method: Method::ServiceAccount,
            life: Life::until(claims.exp.0.checked_add(LEEWAY).ok()).while_good(Arc::new(standing)),
            audiences: Some(common),
        };
        Ok(Attempt::Verified(identity))
    }

    /// The token's claims if its signature is good, from memory where it was good a moment ago.
    fn signed(&self, token: &str) -> Result<Option<Arc<Signed>>, Rejection> {
        let keys = self.keys.load();
        let slot = self.cache.slot(token);
        if let Some(signed) = self.cache.get(&slot, keys.generation) {
            return Ok(Some(signed));
        }
        let Some(unverified) = Unverified::parse(token) else { return Ok(None) };
        if !self.issuers.contains(&unverified.claims.iss) {
            return Ok(None);
        }
        let (claims, key) = unverified.verify(&keys)?;
        let user = user_of(&claims)?;
        let signed = Arc::new(Signed { claims, user, key });
        self.cache.put(&slot, keys.generation, signed.clone());
        Ok(Some(signed))
    }

    async fn check_binding(&self, bound: &Binding, now: Timestamp) -> Result<(), Rejection> {
        let Binding { namespace, serviceaccount: account, .. } = bound;
        let facts = self.facts(Watched::ServiceAccounts, namespace, &account.name).await?;
        let Some(facts) = facts else {
            return Err(Rejection::new(format!("serviceaccounts \"{}\" not found", account.name)));
        };
        if *facts.uid != *account.uid {
            let why = format!("service account UID ({}) does not match claim ({})", facts.uid, account.uid);
            return Err(Rejection::new(why));
        }
        if gone(&facts, now) {
            let why = format!("service account {namespace}/{} has been deleted", account.name);
            return Err(Rejection::new(why));
        }
        if let Some(secret) = &bound.secret {
            self.check_bound(Watched::Secrets, namespace, secret, now).await?;
        }
        match (&bound.pod, &bound.node) {
            // A pod's node is information, not a binding.
            (Some(pod), _) => self.check_bound(Watched::Pods, namespace, pod, now).await,
            (None, Some(node)) => self.check_bound(Watched::Nodes, "", node, now).await,
            (None, None) => Ok(()),
        }
    }

    async fn check_bound(
        &self,
        of: Watched,
        namespace: &str,
        claim: &Reference,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let invalidated = || Rejection::new("service account token has been invalidated");
        let facts = self.facts(of, namespace, &claim.name).await?.ok_or_else(invalidated)?;
        if *facts.uid != *claim.uid {
            let word = match of {
                Watched::Secrets => "secret",
                Watched::Nodes => "node",
                Watched::Pods => "pod",
                Watched::ServiceAccounts => "service account",
            };
            let (is, claimed) = (&facts.uid, &claim.uid);
            let why =
                format!("{word} UID ({is}) does not match service account {word} ref claim ({claimed})");
            return Err(Rejection::new(why));
        }
        if gone(&facts, now) { Err(invalidated()) } else { Ok(()) }
    }

    async fn facts(&self, of: Watched, namespace: &str, name: &str) -> Result<Option<Facts>, Rejection> {
        let found = self.lookup.facts(of, namespace, name).await;
        found.map_err(|e| Rejection::new(format!("cannot look up {} of a token: {e}", of.as_str())))
    }
}

#[async_trait]
impl TokenScheme for ServiceAccountTokens {
    async fn authenticate(&self, token: &str, audiences: &[String], now: Timestamp) -> Attempt {
        self.verify(token, audiences, now).await.unwrap_or_else(Attempt::Rejected)
    }

    fn knows_audiences(&self) -> bool {
        true
    }
}

impl fmt::Debug for ServiceAccountTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountTokens").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// The user that claims name, once they are believed.
pub(crate) fn user_of(claims: &Claims) -> Result<UserInfo, Rejection> {
    let Binding { namespace, serviceaccount: account, .. } = &claims.kubernetes;
    let name = format!("system:serviceaccount:{namespace}:{}", account.name);
    if claims.sub != name {
        return Err(Rejection::new("sub claim does not name the token's service account"));
    }
    let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    let user = UserInfo::new(&name, groups);
    if user.service_account() != Some((namespace.as_str(), account.name.as_str())) {
        return Err(Rejection::new("token names no service account"));
    }
    Ok(authenticated(UserInfo { uid: account.uid.as_str().into(), extra: Arc::new(extra(claims)), ..user }))
}

fn extra(claims: &Claims) -> BTreeMap<String, Vec<String>> {
    let mut extra = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
    };
    if let Some(pod) =
        claims.kubernetes.pod.as_ref().filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty())
    {
        put("pod-name", &pod.name);
        put("pod-uid", &pod.uid);
    }
    if let Some(node) = claims.kubernetes.node.as_ref().filter(|node| !node.name.is_empty()) {
        put("node-name", &node.name);
        if !node.uid.is_empty() {
            put("node-uid", &node.uid);
        }
    }
    if !claims.jti.is_empty() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={}", claims.jti)]);
    }
    extra
}

/// Deleted for longer than clocks may be apart.
fn gone(facts: &Facts, now: Timestamp) -> bool {
    let before = now.saturating_sub(LEEWAY).unwrap_or(now);
    facts.deleted_at.is_some_and(|at| at < before)
}

#[cfg(test)]
mod tests;
