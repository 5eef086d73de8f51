//! Tokens that somebody else knows: a TokenReview is sent to a webhook, its answer kept for a while.
//!
//! Not mine: a token the webhook does not know. Rejected: whatever is not plainly an answer: errors,
//! redirects, another kind or version, a user without a name. Who the webhook may not make: a member of
//! `system:masters` (unless that is allowed by name), and an extra attribute that only our own tokens have.
//! Errors are not kept, so that an outage ends when it ends.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::UserInfo;
use portcullis_outbound::{Backoff, Client, Request};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::authenticator::TokenScheme;
use crate::mapping::{self, Mapping};
use crate::{ConfigError, TOKEN_EXTRA};

const MASTERS: &str = "system:masters";
/// Extra attributes of this prefix come from tokens of our own only.
const OWN_EXTRA: &str = "authentication.kubernetes.io/";
const MAX_KEPT: usize = 4096;
const MAX_GROUPS: usize = 1024;
const MAX_ERROR: usize = 512;
/// One review, with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(30);
/// Upstream's time for which answers are kept.
pub const DEFAULT_WEBHOOK_TTL: Duration = Duration::from_secs(2 * 60);

/// How a webhook is asked.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// The version of the reviews, `v1` or `v1beta1`.
    pub version: String,
    /// How long an answer is kept; zero keeps none.
    pub ttl: Duration,
    /// The server's own audiences, which a webhook that knows none vouches for.
    pub implicit_audiences: Vec<String>,
    /// Whether it may make members of `system:masters`.
    pub may_make_masters: bool,
}

/// The scheme.
pub struct WebhookTokens {
    client: Client,
    options: WebhookOptions,
    api_version: String,
    key: hmac::Key,
    kept: Mutex<HashMap<Vec<u8>, Arc<Slot>>>,
}

/// One token's answer: asked for once, whoever waits for it.
struct Slot {
    made: Instant,
    answer: OnceCell<Answer>,
}

#[derive(Clone)]
enum Answer {
    User { user: UserInfo, audiences: Vec<String> },
    Unknown,
    Refused(Rejection),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    kind: String,
    #[serde(default, deserialize_with = "mapping::object_or_null")]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default, deserialize_with = "mapping::object_or_null")]
    user: User,
    #[serde(default, deserialize_with = "mapping::or_null")]
    audiences: Vec<String>,
    #[serde(default)]
    error: String,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    uid: String,
    #[serde(default, deserialize_with = "mapping::or_null")]
    groups: Vec<String>,
    #[serde(default, deserialize_with = "mapping::or_null")]
    extra: BTreeMap<String, Vec<String>>,
}

impl WebhookTokens {
    /// Asks the webhook at the other end of this client.
    pub fn new(client: Client, options: WebhookOptions) -> Result<Self, ConfigError> {
        if !matches!(options.version.as_str(), "v1" | "v1beta1") {
            let why = format!(
                "unsupported authentication webhook version {:?}, supported versions are \"v1\", \"v1beta1\"",
                options.version
            );
            return Err(ConfigError::Provider(why));
        }
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| ConfigError::NoRandomness)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let api_version = format!("authentication.k8s.io/{}", options.version);
        Ok(Self { client, options, api_version, key, kept: Mutex::default() })
    }

    async fn answer(&self, token: &str, audiences: &[String]) -> Result<Answer, Rejection> {
        let slot = self.slot(token, audiences);
        slot.answer.get_or_try_init(|| self.ask(token, audiences)).await.cloned()
    }

    /// The place of a token's answer. Only a hash under a key of this process stays of the token.
    fn slot(&self, token: &str, audiences: &[String]) -> Arc<Slot> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in audiences.iter().map(String::as_str).chain([token]) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let name = context.sign().as_ref().to_vec();
        let fresh = |slot: &Arc<Slot>| slot.made.elapsed() < self.options.ttl;
        let mut kept = self.kept.lock();
        if let Some(known) = kept.get(&name).filter(|slot| fresh(slot)) {
            return known.clone();
        }
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, slot| fresh(slot));
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
        }
        let slot = Arc::new(Slot { made: Instant::now(), answer: OnceCell::new() });
        kept.insert(name, slot.clone());
        slot
    }

    async fn ask(&self, token: &str, audiences: &[String]) -> Result<Answer, Rejection> {
        let failed = |why: String| {
            warn!(why, "The authentication webhook did not answer");
            Rejection::new(why)
        };
        let spec = match audiences {
            [] => json!({ "token": token }),
            asked => json!({ "token": token, "audiences": asked }),
        };
        let review = json!({
            "kind": "TokenReview", "apiVersion": self.api_version,
            "metadata": { "creationTimestamp": null }, "spec": spec, "status": { "user": {} },
        });
        let request = Request::post(review.to_string());
        let sent = tokio::time::timeout(PATIENCE, self.client.send_again(&request, Backoff::UPSTREAM)).await;
        let reply = match sent {
            Ok(outcome) => outcome.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("the authentication webhook took too long".to_owned())),
        };
        let Mapping(review): Mapping<Review> = reply.json().map_err(|error| failed(error.to_string()))?;
        if review.kind != "TokenReview" || review.api_version != self.api_version {
            return Err(failed(format!("the webhook answered with {} {}", review.api_version, review.kind)));
        }
        self.judge(review.status, audiences).map_err(failed)
    }

    fn judge(&self, status: Status, asked: &[String]) -> Result<Answer, String> {
        if !status.authenticated {
            let error: String = status.error.chars().filter(|c| !c.is_control()).take(MAX_ERROR).collect();
            return Ok(if error.is_empty() {
                Answer::Unknown
            } else {
                Answer::Refused(Rejection::new(error))
            });
        }
        let given =
            if status.audiences.is_empty() { &self.options.implicit_audiences } else { &status.audiences };
        let audiences: Vec<String> = asked.iter().filter(|one| given.contains(one)).cloned().collect();
        if audiences.is_empty() && !asked.is_empty() {
            return Ok(Answer::Unknown);
        }
        let User { username, uid, groups, mut extra } = status.user;
        if username.is_empty() || groups.len() > MAX_GROUPS {
            return Err("the webhook authenticated nobody in particular".to_owned());
        }
        if groups.iter().any(|group| group == MASTERS) && !self.options.may_make_masters {
            return Err("the webhook may not make members of system:masters".to_owned());
        }
        extra.retain(|key, _| !key.starts_with(OWN_EXTRA) && key != TOKEN_EXTRA);
        let user = UserInfo { uid: uid.into(), extra: Arc::new(extra), ..UserInfo::new(&username, groups) };
        Ok(Answer::User { user: authenticated(user), audiences })
    }
}

#[async_trait]
impl TokenScheme for WebhookTokens {
    async fn authenticate(&self, token: &str, audiences: &[String], _now: Timestamp) -> Attempt {
        match self.answer(token, audiences).await {
            Ok(Answer::User { user, audiences }) => {
                let identity = Identity::new(user, Method::Webhook, None);
                Attempt::Verified(Identity { audiences: Some(audiences), ..identity })
            }
            Ok(Answer::Unknown) => Attempt::NotMine,
            Ok(Answer::Refused(why)) | Err(why) => Attempt::Rejected(why),
        }
    }

    fn knows_audiences(&self) -> bool {
        true
    }
}

impl fmt::Debug for WebhookTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTokens").field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
