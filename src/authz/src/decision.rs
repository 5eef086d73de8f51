//! What was decided and why. Reasons are facts; they become words only when somebody asks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::files::{Effect, Rule};
use crate::rbac::{Grant, MissingRole};

/// An authorizer's answer, each with its grounds.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It may be done.
    Allow(Grounds),
    /// It must not be done, whatever others say.
    Deny(Grounds),
    /// Others decide; at the end of the chain this is a refusal.
    NoOpinion(Grounds),
}

/// Why, and what went wrong while deciding.
#[derive(Clone, Debug, Default)]
pub struct Grounds {
    /// The reasons.
    pub reasons: Vec<Reason>,
    /// Errors that kept an authorizer from an opinion.
    pub errors: Vec<Arc<str>>,
}

/// One reason of a decision.
#[derive(Clone, Debug)]
pub enum Reason {
    /// The user is in `system:masters`, which nothing binds.
    Masters,
    /// A node needs it for what runs on it.
    Node,
    /// A rule of a policy file decides; why it could not be weighed, where that is so.
    Rule(Arc<Rule>, Option<&'static str>),
    /// A binding grants it.
    Granted(Grant),
    /// Nothing granted it, and these roles that bindings name do not exist.
    Unresolved(Vec<MissingRole>),
    /// An authorizer's own words.
    Said(Arc<str>),
}

impl Decision {
    /// An opinion without reasons.
    pub fn no_opinion() -> Self {
        Self::NoOpinion(Grounds::default())
    }

    /// Allowed for one reason.
    pub fn allow(reason: Reason) -> Self {
        Self::Allow(Grounds { reasons: vec![reason], errors: Vec::new() })
    }

    /// Denied for one reason.
    pub fn deny(reason: Reason) -> Self {
        Self::Deny(Grounds { reasons: vec![reason], errors: Vec::new() })
    }

    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// Whether it was denied outright.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Deny(_))
    }

    /// The grounds.
    pub fn grounds(&self) -> &Grounds {
        match self {
            Self::Allow(grounds) | Self::Deny(grounds) | Self::NoOpinion(grounds) => grounds,
        }
    }
}

impl Grounds {
    /// The reasons in upstream's words, a line each.
    pub fn reason(&self) -> String {
        join(self.reasons.iter().map(ToString::to_string), "\n")
    }

    /// The errors as Go's error aggregate prints them.
    pub fn error(&self) -> String {
        aggregate(self.errors.iter())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masters | Self::Node => Ok(()),
            // Whom it refuses is told what the author wants told, and no more.
            Self::Rule(rule, _) if rule.effect == Effect::Deny => {
                rule.reason.as_deref().map_or(Ok(()), |words| f.write_str(words))
            }
            Self::Rule(..) => Ok(()),
            Self::Granted(grant) => f.write_str(&grant.told()),
            Self::Unresolved(missing) => write!(f, "RBAC: {}", aggregate(missing.iter())),
            Self::Said(words) => f.write_str(words),
        }
    }
}

/// Names one decision, for receipts, audit and explanations: when the process started, and a count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DecisionId(u64);

/// When this process decided first, in seconds, so that ids of two processes differ.
static EPOCH: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_second());

impl DecisionId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", *EPOCH, self.0)
    }
}

/// Who decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// A guard or authorizer of this program.
    Us(&'static str),
    /// A webhook.
    Webhook(Arc<str>),
}

/// A decision of the whole chain, with its id.
#[derive(Clone, Debug)]
pub struct Receipt {
    id: DecisionId,
    by: Option<By>,
    decision: Decision,
    good_for: Option<Duration>,
}

impl Receipt {
    /// Notes what an authorizer decided, or the whole chain if none is named.
    pub(crate) fn new(by: Option<By>, decision: Decision) -> Self {
        Self { id: DecisionId::next(), by, decision, good_for: None }
    }

    /// The same, standing on what webhooks said: it is good for so long.
    pub(crate) fn standing_for(self, good_for: Option<Duration>) -> Self {
        Self { good_for, ..self }
    }

    /// How long it may stand before a stream that rests on it asks again; `None` while no policy changes.
    pub fn good_for(&self) -> Option<Duration> {
        self.good_for
    }

    /// The id.
    pub fn id(&self) -> DecisionId {
        self.id
    }

    /// Who decided; `None` where nobody had an opinion.
    pub fn authorizer(&self) -> Option<&str> {
        self.by.as_ref().map(|by| match by {
            By::Us(name) => *name,
            By::Webhook(name) => &**name,
        })
    }

    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        self.decision.is_allowed()
    }

    /// The reasons in upstream's words.
    pub fn reason(&self) -> String {
        self.decision.grounds().reason()
    }

    /// The rule of a policy file that decided, if one did.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        self.decision.grounds().reasons.iter().find_map(|reason| match reason {
            Reason::Rule(rule, _) => Some(rule),
            _ => None,
        })
    }

    /// Notes in the ledger of use what decided about a request.
    pub(crate) fn note_use(&self) {
        for reason in &self.decision.grounds().reasons {
            match reason {
                Reason::Rule(rule, _) => rule.used.note(),
                Reason::Granted(grant) => grant.used().note(),
                Reason::Masters | Reason::Node | Reason::Unresolved(_) | Reason::Said(_) => {}
            }
        }
    }
}

/// Joins messages as Go's error aggregate does: each once, brackets around more than one.
pub(crate) fn aggregate<T: ToString>(errors: impl Iterator<Item = T>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for text in errors.map(|e| e.to_string()) {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    match seen.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn join(texts: impl Iterator<Item = String>, separator: &str) -> String {
    texts.filter(|t| !t.is_empty()).collect::<Vec<_>>().join(separator)
}
