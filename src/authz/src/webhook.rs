//! Decisions that somebody else makes: a SubjectAccessReview is sent to a webhook.
//!
//! ```text
//! conditions   whether the webhook is about a request at all
//! review       the question as it is sent, the answer as it is read
//! kept         answers that are good for a while
//! ```
//!
//! The chain stays a pure function: where it comes to a webhook it looks for the answer among those it was handed
//! ([`Answers`]) and those the webhook keeps. Where there is none the question is noted and nothing is allowed;
//! whoever can wait has it asked and decides again.

mod conditions;
mod kept;
mod review;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use portcullis_api::{UserInfo, Value};
use portcullis_outbound::{Backoff, CallError, Cause, Client, Limits, Request};
use tracing::warn;

pub(crate) use self::conditions::Conditions;
use self::kept::Kept;
pub use self::review::Version;
pub(crate) use self::review::{Key, Spec};
use crate::answers::{Answers, Question};
use crate::attributes::Attributes;
use crate::decision::{Decision, Grounds, Reason};
use crate::metrics;

/// The largest answer, in bytes.
const LARGEST: usize = 64 << 10;
/// One question with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(60);
/// An open stream does not ask more often than this.
const SOONEST: Duration = Duration::from_secs(10);

/// How a webhook is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookPlan {
    /// Its name.
    pub name: String,
    /// How long a permission is kept; zero keeps none.
    pub authorized_ttl: Duration,
    /// How long a refusal is kept; zero keeps none.
    pub unauthorized_ttl: Duration,
    /// How long one call may take.
    pub timeout: Duration,
    /// The version of the reviews.
    pub version: Version,
    /// What comes of a question without a usable answer.
    pub failure_policy: FailurePolicy,
    /// Where it is, in kubeconfig's format.
    pub kubeconfig: PathBuf,
    /// What must hold of a request for the webhook to be asked.
    pub conditions: Vec<String>,
}

/// What comes of a question without a usable answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailurePolicy {
    /// The next authorizer decides.
    NoOpinion,
    /// It must not be done.
    Deny,
}

/// A webhook that decides.
pub(crate) struct Webhook {
    name: Arc<str>,
    id: u64,
    client: Client,
    version: Version,
    ttls: (Duration, Duration),
    failure_policy: FailurePolicy,
    conditions: Conditions,
    kept: Mutex<Kept>,
}

/// What a webhook says of a request, as far as it is known without asking.
pub(crate) enum Look {
    /// Its conditions keep it out.
    Excluded,
    /// This.
    Says(Decision),
    /// It must be asked.
    Unasked,
}

/// What came of asking.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It answered.
    Answered { allowed: bool, denied: bool, reason: Arc<str> },
    /// There is no usable answer.
    Failed(Arc<str>),
}

impl Webhook {
    /// Prepares the calls; nothing is sent yet.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub(crate) fn new(plan: &WebhookPlan) -> Result<Self, String> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let endpoint =
            portcullis_outbound::kubeconfig_endpoint(&plan.kubeconfig).map_err(|error| error.to_string())?;
        let limits = Limits { deadline: plan.timeout, largest: LARGEST };
        Ok(Self {
            name: plan.name.as_str().into(),
            id: LAST.fetch_add(1, Ordering::Relaxed),
            client: Client::new(endpoint, limits).map_err(|error| error.to_string())?,
            version: plan.version,
            ttls: (plan.authorized_ttl, plan.unauthorized_ttl),
            failure_policy: plan.failure_policy,
            conditions: Conditions::compile(&plan.conditions)?,
            kept: Mutex::default(),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Tells it from every other there is or was.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What it says. A question that must be asked is noted among the answers.
    pub(crate) fn look(self: &Arc<Self>, user: &UserInfo, asked: &Attributes<'_>, answers: &Answers) -> Look {
        let spec = Spec::new(user, asked);
        match self.conditions.hold(&self.name, &spec) {
            Ok(true) => {}
            Ok(false) => return Look::Excluded,
            Err(error) => return Look::Says(self.failed(error.into())),
        }
        let key = spec.key();
        let known = answers.find(self.id, &key).or_else(|| self.kept.lock().find(&key, Instant::now()));
        match known {
            Some(outcome) => Look::Says(self.decision(outcome)),
            None => {
                answers.note(Question { webhook: Arc::clone(self), key, spec });
                Look::Unasked
            }
        }
    }

    /// Asks, and keeps the answer for as long as it is good.
    pub(crate) async fn ask(&self, key: &Key, spec: &Spec) -> Outcome {
        let request = Request::post(spec.review(self.version).to_string());
        let mut metric = "timeout";
        let sent = self.client.send_again_telling(&request, Backoff::UPSTREAM, |took, outcome| {
            metric = result_of(outcome);
            metrics::webhook_called(&self.name, metric, took);
        });
        let sent = tokio::time::timeout(PATIENCE, sent).await;
        let answer = match sent {
            Ok(Ok(reply)) => review::read(self.version, &reply.body),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the authorization webhook took too long".to_owned()),
        };
        match answer {
            Ok(answer) => {
                let ttl = if answer.allowed { self.ttls.0 } else { self.ttls.1 };
                let outcome = Outcome::Answered {
                    allowed: answer.allowed,
                    denied: answer.denied,
                    reason: answer.reason.into(),
                };
                if !ttl.is_zero() && spec.is_small() {
                    self.kept.lock().keep(*key, outcome.clone(), Instant::now(), ttl);
                }
                outcome
            }
            Err(why) => {
                warn!(webhook = &*self.name, why, "The authorization webhook gave no answer");
                if self.failure_policy == FailurePolicy::NoOpinion {
                    metrics::webhook_failed_open(&self.name, metric);
                }
                Outcome::Failed(why.into())
            }
        }
    }

    /// How long a decision that rests on it may stand before an open stream asks again.
    pub(crate) fn good_for(&self, decision: &Decision) -> Duration {
        let ttl = if decision.is_allowed() { self.ttls.0 } else { self.ttls.1 };
        ttl.max(SOONEST)
    }

    /// What it would be sent, and what can be told without asking.
    pub(crate) fn describe(&self, user: &UserInfo, asked: &Attributes<'_>) -> Value {
        let spec = Spec::new(user, asked);
        let about = match self.conditions.hold(&self.name, &spec) {
            Ok(true) => "the webhook must be asked".to_owned(),
            Ok(false) => "its match conditions leave the webhook out".to_owned(),
            Err(error) => error,
        };
        serde_json::json!({ "webhook": &*self.name, "failurePolicy": self.failure_policy.as_str(),
            "asked": about, "review": spec.review(self.version) })
    }

    /// Its name and what keeps it out, for lists of who may do something.
    pub(crate) fn caveat(&self) -> Value {
        let conditions: Vec<&str> = self.conditions.texts().collect();
        serde_json::json!({ "webhook": &*self.name, "failurePolicy": self.failure_policy.as_str(),
            "matchConditions": conditions })
    }

    fn decision(&self, outcome: Outcome) -> Decision {
        match outcome {
            Outcome::Failed(why) => self.failed(why),
            Outcome::Answered { allowed, denied, reason } => {
                let reasons = if reason.is_empty() { Vec::new() } else { vec![Reason::Said(reason)] };
                let errors = if allowed && denied { vec![BOTH.into()] } else { Vec::new() };
                let grounds = Grounds { reasons, errors };
                match (allowed, denied) {
                    (_, true) => Decision::Deny(grounds),
                    (true, false) => Decision::Allow(grounds),
                    (false, false) => Decision::NoOpinion(grounds),
                }
            }
        }
    }

    fn failed(&self, why: Arc<str>) -> Decision {
        let grounds = Grounds { reasons: Vec::new(), errors: vec![why] };
        match self.failure_policy {
            FailurePolicy::Deny => Decision::Deny(grounds),
            FailurePolicy::NoOpinion => Decision::NoOpinion(grounds),
        }
    }
}

const BOTH: &str = "webhook subject access review returned both allow and deny response";

impl FailurePolicy {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoOpinion => "NoOpinion",
            Self::Deny => "Deny",
        }
    }
}

fn result_of(outcome: Result<(), &CallError>) -> &'static str {
    let Err(error) = outcome else { return "success" };
    match error.cause() {
        Cause::Deadline => "timeout",
        Cause::Status { code, .. } if code.as_u16() == 504 => "timeout",
        _ => "error",
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
