//! Tokens of people and programs, each an object: scoped, expiring, revoked one by one.
//!
//! A token is `portcullis_` and 43 characters of randomness, shown once, in the answer to the create.
//! What is kept is an HMAC of it under a key that is not in the store: a copy of the store lets nobody
//! in, and says nothing of the tokens. The registry tells [`UserTokens`] of every commit, so a deleted
//! token is gone before its deletion is answered, and the streams it opened end with it.
//!
//! Not mine: a token without the prefix. Rejected: one with it that nobody issued, or that has expired.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::RwLock;
use portcullis_api::{Object, UserInfo, Value, time};

use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::authenticator::TokenScheme;
use crate::life::{Life, StillGood};
use crate::{CREDENTIAL_ID, ConfigError};

/// The API group of identities.
pub const IDENTITY_GROUP: &str = "identity.portcullis.io";
/// The extra attribute that names the token somebody came with; its scope goes with it.
pub const TOKEN_EXTRA: &str = "identity.portcullis.io/user-token";
const PREFIX: &str = "portcullis_";
const RANDOM_BYTES: usize = 32;
/// The length of the key that tokens are hashed with.
pub const TOKEN_KEY_BYTES: usize = 32;

/// All tokens. Clones share them.
#[derive(Clone)]
pub struct UserTokens(Arc<Inner>);

struct Inner {
    key: hmac::Key,
    tokens: RwLock<Tokens>,
    changes: AtomicU64,
}

#[derive(Default)]
struct Tokens {
    by_digest: HashMap<String, Arc<UserToken>>,
    by_name: HashMap<String, Arc<UserToken>>,
}

/// A token that was issued.
struct UserToken {
    digest: String,
    user: UserInfo,
    expires_at: Timestamp,
    scopes: Arc<[Scope]>,
    revoked: AtomicBool,
    /// Seconds since 1970; zero for never.
    used: AtomicI64,
    recorded: AtomicI64,
}

/// One thing a scoped token may be used for. An empty list of namespaces means all of them, and the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Verbs; `*` for all.
    pub verbs: Vec<String>,
    /// API groups; `*` for all.
    pub api_groups: Vec<String>,
    /// Resources, with subresources after a slash; `*` for all.
    pub resources: Vec<String>,
    /// Names of objects; empty for all.
    pub resource_names: Vec<String>,
    /// Namespaces; empty for all and the cluster.
    pub namespaces: Vec<String>,
    /// Paths that are no resources; a star at the end for all below.
    pub non_resource_urls: Vec<String>,
}

/// A new token. Its `Debug` shows nothing.
pub struct MintedUserToken {
    /// The token, to be shown once.
    pub token: String,
    /// What is kept of it.
    pub digest: String,
}

impl UserTokens {
    /// No tokens yet; they are hashed with this key.
    pub fn new(key: &[u8]) -> Result<Self, ConfigError> {
        if key.len() < TOKEN_KEY_BYTES {
            return Err(ConfigError::TokenKey);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Ok(Self(Arc::new(Inner { key, tokens: RwLock::default(), changes: AtomicU64::new(0) })))
    }

    /// A new token, and what to keep of it.
    pub fn mint(&self) -> Result<MintedUserToken, ConfigError> {
        let mut random = [0; RANDOM_BYTES];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| ConfigError::NoRandomness)?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let digest = self.digest(&token);
        Ok(MintedUserToken { token, digest })
    }

    /// Learns of a token's object, new or changed. One that cannot be read is no token.
    pub fn upsert(&self, object: &Object) {
        let name = object.name();
        let known = self.0.tokens.read().by_name.get(name).cloned();
        let Some(token) = UserToken::of(object) else { return self.remove(name) };
        // A change of nothing but metadata leaves open streams alone.
        if known.as_ref().is_some_and(|known| known.is_same(&token)) {
            return;
        }
        self.remove(name);
        let token = Arc::new(token);
        let mut tokens = self.0.tokens.write();
        tokens.by_digest.insert(token.digest.clone(), token.clone());
        tokens.by_name.insert(name.to_owned(), token);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    /// Counts the changes.
    pub fn generation(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// Forgets a token: it lets nobody in any more, and what it opened ends.
    pub fn remove(&self, name: &str) {
        let mut tokens = self.0.tokens.write();
        if let Some(token) = tokens.by_name.remove(name) {
            tokens.by_digest.remove(&token.digest);
            token.revoked.store(true, Ordering::Release);
            self.0.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// What the token of this name may be used for: `None` if there is no such token, empty if it may
    /// be used for whatever its user may do.
    pub fn scopes(&self, name: &str) -> Option<Arc<[Scope]>> {
        self.0.tokens.read().by_name.get(name).map(|token| token.scopes.clone())
    }

    /// The tokens that were used since this was last asked, with the time.
    pub fn take_uses(&self) -> Vec<(String, Timestamp)> {
        let tokens = self.0.tokens.read();
        let uses = tokens.by_name.iter().filter_map(|(name, token)| {
            let used = token.used.load(Ordering::Relaxed);
            let recorded = token.recorded.swap(used, Ordering::Relaxed);
            (used > recorded).then(|| Some((name.clone(), Timestamp::from_second(used).ok()?))).flatten()
        });
        uses.collect()
    }

    fn digest(&self, token: &str) -> String {
        hex::encode(hmac::sign(&self.0.key, token.as_bytes()).as_ref())
    }
}

impl UserToken {
    fn of(object: &Object) -> Option<Self> {
        let digest = object.str_at(&["status", "digest"]);
        let name = object.str_at(&["spec", "user"]);
        if digest.is_empty() || name.is_empty() || object.is_deleting() {
            return None;
        }
        let extra = BTreeMap::from([
            (TOKEN_EXTRA.to_owned(), vec![object.name().to_owned()]),
            (CREDENTIAL_ID.to_owned(), vec![format!("UserToken={}", object.uid())]),
        ]);
        let groups = texts(object.at(&["spec", "groups"]));
        let user = UserInfo {
            uid: object.str_at(&["spec", "uid"]).into(),
            extra: Arc::new(extra),
            ..UserInfo::new(name, groups)
        };
        let scopes = object.at(&["spec", "scopes"]).and_then(Value::as_array);
        let used =
            time::parse(object.str_at(&["status", "lastUsedTimestamp"])).map_or(0, Timestamp::as_second);
        Some(Self {
            digest: digest.to_owned(),
            user: authenticated(user),
            // A token whose end cannot be read has ended.
            expires_at: time::parse(object.str_at(&["status", "expirationTimestamp"]))?,
            scopes: scopes.into_iter().flatten().map(Scope::of).collect(),
            revoked: AtomicBool::new(false),
            used: AtomicI64::new(used),
            recorded: AtomicI64::new(used),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.user == other.user
            && self.expires_at == other.expires_at
            && self.scopes == other.scopes
    }
}

impl Scope {
    fn of(value: &Value) -> Self {
        let list = |field: &str| texts(value.get(field));
        Self {
            verbs: list("verbs"),
            api_groups: list("apiGroups"),
            resources: list("resources"),
            resource_names: list("resourceNames"),
            namespaces: list("namespaces"),
            non_resource_urls: list("nonResourceURLs"),
        }
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl StillGood for UserToken {
    fn is_good(&self, _now: Timestamp) -> bool {
        !self.revoked.load(Ordering::Acquire)
    }
}

#[async_trait]
impl TokenScheme for UserTokens {
    async fn authenticate(&self, token: &str, _audiences: &[String], now: Timestamp) -> Attempt {
        if !token.starts_with(PREFIX) {
            return Attempt::NotMine;
        }
        // Looked up by a keyed hash: how long that takes says nothing of any token.
        let known = self.0.tokens.read().by_digest.get(&self.digest(token)).cloned();
        let Some(known) = known else {
            return Attempt::Rejected(Rejection::new("the user token was not issued here or is revoked"));
        };
        if known.expires_at <= now {
            return Attempt::Rejected(Rejection::new("the user token has expired"));
        }
        known.used.store(now.as_second(), Ordering::Relaxed);
        let life = Life::until(Some(known.expires_at)).while_good(known.clone());
        let identity = Identity::new(known.user.clone(), Method::UserToken, None);
        Attempt::Verified(Identity { life, ..identity })
    }
}

impl fmt::Debug for UserTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTokens").field("tokens", &self.0.tokens.read().by_name.len()).finish()
    }
}

impl fmt::Debug for MintedUserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MintedUserToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    fn tokens() -> UserTokens {
        UserTokens::new(&[7; 32]).unwrap()
    }

    fn object(name: &str, digest: &str, ends: Timestamp) -> Object {
        let tree = json!({
            "metadata": {"name": name, "uid": "u-1"},
            "spec": {"user": "jane", "groups": ["dev"], "scopes": [{"verbs": ["get"], "resources": ["pods"]}]},
            "status": {"digest": digest, "expirationTimestamp": time::seconds(ends)},
        });
        Object::new(tree.as_object().unwrap().clone())
    }

    fn soon() -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(1)
    }

    async fn ask(tokens: &UserTokens, token: &str) -> Attempt {
        tokens.authenticate(token, &[], Timestamp::now()).await
    }

    #[tokio::test]
    async fn a_token_names_its_user_until_it_is_revoked() {
        let tokens = tokens();
        let minted = tokens.mint().unwrap();
        tokens.upsert(&object("t", &minted.digest, soon()));
        let Attempt::Verified(identity) = ask(&tokens, &minted.token).await else { panic!() };
        assert_eq!(&*identity.user().name, "jane");
        assert!(identity.user().in_group("dev") && identity.user().in_group("system:authenticated"));
        assert_eq!(identity.user().extra[TOKEN_EXTRA], ["t"]);
        assert_eq!(tokens.take_uses().len(), 1);
        assert_eq!(tokens.take_uses().len(), 0);
        let now = Timestamp::now();
        // Its last use was written down: nothing changes for open streams.
        tokens.upsert(&object("t", &minted.digest, identity.life.ends().unwrap()));
        assert!(identity.life.holds(now));
        tokens.remove("t");
        assert!(!identity.life.holds(now));
        assert!(matches!(ask(&tokens, &minted.token).await, Attempt::Rejected(_)));
        assert!(tokens.scopes("t").is_none());
    }

    #[tokio::test]
    async fn what_is_kept_lets_nobody_in() {
        let tokens = tokens();
        let minted = tokens.mint().unwrap();
        tokens.upsert(&object("t", &minted.digest, soon()));
        assert!(matches!(ask(&tokens, &minted.digest).await, Attempt::NotMine));
        let guess = format!("{PREFIX}{}", minted.digest);
        assert!(matches!(ask(&tokens, &guess).await, Attempt::Rejected(_)));
        let other = UserTokens::new(&[8; 32]).unwrap();
        other.upsert(&object("t", &minted.digest, soon()));
        assert!(matches!(ask(&other, &minted.token).await, Attempt::Rejected(_)));
    }

    #[tokio::test]
    async fn an_expired_token_is_refused() {
        let tokens = tokens();
        let minted = tokens.mint().unwrap();
        tokens.upsert(&object("t", &minted.digest, Timestamp::now()));
        assert!(matches!(ask(&tokens, &minted.token).await, Attempt::Rejected(_)));
    }

    #[test]
    fn nothing_is_printed() {
        let minted = tokens().mint().unwrap();
        assert!(!format!("{minted:?}{:?}", tokens()).contains(&minted.token));
        assert!(UserTokens::new(b"short").is_err());
    }
}
