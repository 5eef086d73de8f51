//! Bootstrap tokens: `ID.SECRET`, kept in `kube-system/bootstrap-token-ID`.
//!
//! As upstream, a token whose secret object says no is simply not mine (the answer is 401 all the
//! same, if nobody else knows the token); rejected is only what could not be looked up. Why a secret
//! says no is logged without any part of the token but its id, which is no secret.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_api::{Object, UserInfo, time};
use subtle::ConstantTimeEq;
use tracing::info;

use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::authenticator::TokenScheme;
use crate::life::StillGood;
use crate::lookup::{Glance, Lookup, Watched};

const NAMESPACE: &str = "kube-system";
const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const DEFAULT_GROUP: &str = "system:bootstrappers";
const GROUP_PREFIX: &str = "system:bootstrappers:";
const MAX_GROUP_TAIL: usize = 256;

/// The scheme.
pub struct BootstrapTokens {
    lookup: Arc<dyn Lookup>,
}

impl BootstrapTokens {
    /// Believes tokens whose secret objects exist.
    pub fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup }
    }
}

#[async_trait]
impl TokenScheme for BootstrapTokens {
    async fn authenticate(&self, token: &str, _audiences: &[String], now: Timestamp) -> Attempt {
        let Some((id, secret)) = parse(token) else { return Attempt::NotMine };
        let name = format!("bootstrap-token-{id}");
        match self.lookup.get(Watched::Secrets, NAMESPACE, &name).await {
            Err(e) => Attempt::Rejected(Rejection::new(format!("cannot look up a bootstrap token: {e}"))),
            Ok(None) => Attempt::NotMine,
            Ok(Some(object)) => match verify(&object, id, secret, now) {
                Ok(identity) => {
                    let secret = Kept { lookup: self.lookup.clone(), name, uid: object.uid().into() };
                    let life = identity.life.clone().while_good(Arc::new(secret));
                    Attempt::Verified(Identity { life, ..identity })
                }
                Err(why) => {
                    info!(token.id = id, why, "Refused a bootstrap token");
                    Attempt::NotMine
                }
            },
        }
    }
}

/// A token is good as long as its secret is kept.
struct Kept {
    lookup: Arc<dyn Lookup>,
    name: String,
    uid: Box<str>,
}

impl StillGood for Kept {
    fn is_good(&self, _now: Timestamp) -> bool {
        match self.lookup.glance(Watched::Secrets, NAMESPACE, &self.name) {
            Glance::There(uid) => uid == self.uid,
            Glance::Gone => false,
            Glance::Unknown => true,
        }
    }
}

impl fmt::Debug for BootstrapTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootstrapTokens")
    }
}

/// Six and sixteen of `[a-z0-9]`, with a dot between.
fn parse(token: &str) -> Option<(&str, &str)> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let (id, secret) = token.split_once('.')?;
    (id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)).then_some((id, secret))
}

fn verify(object: &Object, id: &str, secret: &str, now: Timestamp) -> Result<Identity, &'static str> {
    if object.is_deleting() {
        return Err("it is being deleted");
    }
    if object.str_at(&["type"]) != SECRET_TYPE {
        return Err("its secret has another type");
    }
    if !bool::from(datum(object, "token-secret").as_bytes().ct_eq(secret.as_bytes())) {
        return Err("its secret part does not match");
    }
    if datum(object, "token-id") != id {
        return Err("its secret object has another id");
    }
    let expires_at = expiration(object)?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err("it has expired");
    }
    if datum(object, "usage-bootstrap-authentication") != "true" {
        return Err("it is not meant for authentication");
    }
    let groups = groups(&datum(object, "auth-extra-groups"))?;
    let user = authenticated(UserInfo::new(&format!("system:bootstrap:{id}"), groups));
    Ok(Identity::new(user, Method::BootstrapToken, expires_at))
}

/// A value of the secret's data as text; empty where there is none.
fn datum(object: &Object, key: &str) -> String {
    let bytes = STANDARD.decode(object.str_at(&["data", key])).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn expiration(object: &Object) -> Result<Option<Timestamp>, &'static str> {
    let present = object.at(&["data", "expiration"]).and_then(|v| v.as_str()).is_some_and(|v| !v.is_empty());
    if !present {
        return Ok(None);
    }
    time::parse(&datum(object, "expiration")).map(Some).ok_or("its expiration cannot be read")
}

fn groups(extra: &str) -> Result<BTreeSet<String>, &'static str> {
    let mut groups = BTreeSet::from([DEFAULT_GROUP.to_owned()]);
    if extra.is_empty() {
        return Ok(groups);
    }
    for group in extra.split(',') {
        if !is_bootstrap_group(group) {
            return Err("an extra group is not a bootstrapper's");
        }
        groups.insert(group.to_owned());
    }
    Ok(groups)
}

fn is_bootstrap_group(group: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let Some(tail) = group.strip_prefix(GROUP_PREFIX) else { return false };
    tail.len() <= MAX_GROUP_TAIL
        && tail.bytes().all(|b| word(b) || matches!(b, b':' | b'-'))
        && tail.bytes().last().is_some_and(word)
}

#[cfg(test)]
mod tests;
