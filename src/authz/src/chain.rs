//! The order in which authorizers are asked.
//!
//! ```text
//! system:masters   allowed, always: it is how a locked-out cluster is opened again
//! guards           our deny rules; they bind everybody but masters. Only their Deny counts
//! authorizers      the configured chain, by default Node, policy files, RBAC
//! ```
//!
//! The first Allow or Deny wins. No opinion at the end is a refusal. An authorizer that errs has no
//! opinion; a guard that errs denies.
//!
//! All of this is a pure function. Where the configuration names a webhook, its answers are among what it is a function
//! of: [`Chain::weigh`] decides by those there are, [`Chain::settle`] waits for those that are missing.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use portcullis_api::UserInfo;

use crate::answers::Answers;
use crate::attributes::Attributes;
use crate::decision::{By, Decision, Grounds, Reason, Receipt};
use crate::files::PolicyFiles;
use crate::listing::Rules;
use crate::metrics::Settled;
use crate::receipts::Receipts;
use crate::shadow::Shadow;
use crate::webhook::{Look, Webhook};

/// The group that nothing binds.
pub const MASTERS: &str = "system:masters";

/// One source of decisions: a pure function of user, attributes and its own indexes.
pub trait Authorizer: Send + Sync {
    /// Its name in receipts, metrics and explanations.
    fn name(&self) -> &'static str;

    /// Decides.
    fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Decision;

    /// What the user may do in a namespace, as far as it can be listed.
    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules;

    /// Counts the changes that may change a decision about the user.
    fn generation(&self, user: &UserInfo) -> u64;
}

/// A rule source that can only refuse.
pub trait Guard: Send + Sync {
    /// Its name in receipts.
    fn name(&self) -> &'static str;

    /// Why this must not be done; an evaluation error is a reason too.
    fn objection(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Option<Reason>;

    /// Counts the changes.
    fn generation(&self) -> u64;

    /// Whether it could object to anything this user does.
    fn concerns(&self, _user: &UserInfo) -> bool {
        true
    }
}

/// The authorizers in their order.
#[derive(Default)]
pub struct Chain {
    guards: Vec<Box<dyn Guard>>,
    links: ArcSwap<Vec<Link>>,
    /// Counts how often the links were replaced.
    replaced: AtomicU64,
    receipts: Receipts,
    shadow: Option<Shadow>,
}

/// One place in the chain.
#[derive(Clone)]
pub(crate) struct Link {
    who: Who,
    settled: Arc<OnceLock<Settled>>,
}

#[derive(Clone)]
enum Who {
    Us(Arc<dyn Authorizer>),
    Webhook(Arc<Webhook>),
}

impl Link {
    pub(crate) fn to(authorizer: impl Authorizer + 'static) -> Self {
        Self { who: Who::Us(Arc::new(authorizer)), settled: Arc::default() }
    }

    pub(crate) fn to_webhook(webhook: Webhook) -> Self {
        Self { who: Who::Webhook(Arc::new(webhook)), settled: Arc::default() }
    }

    fn by(&self) -> By {
        match &self.who {
            Who::Us(authorizer) => By::Us(authorizer.name()),
            Who::Webhook(webhook) => By::Webhook(Arc::clone(webhook.name())),
        }
    }

    fn webhook(&self) -> Option<&Arc<Webhook>> {
        match &self.who {
            Who::Us(_) => None,
            Who::Webhook(webhook) => Some(webhook),
        }
    }

    fn authorizer(&self) -> Option<&dyn Authorizer> {
        match &self.who {
            Who::Us(authorizer) => Some(&**authorizer),
            Who::Webhook(_) => None,
        }
    }

    fn count(&self, decision: &Decision) {
        let counters = self.settled.get_or_init(|| match &self.who {
            Who::Us(authorizer) => Settled::of(authorizer.name(), &authorizer.name().to_lowercase()),
            Who::Webhook(webhook) => Settled::of("Webhook", webhook.name()),
        });
        let counter = if decision.is_allowed() { &counters.allowed } else { &counters.denied };
        counter.increment(1);
    }
}

/// What one guard or authorizer says by itself, and the webhook that it is.
pub(crate) type Opinion = (Cow<'static, str>, Option<Decision>, Option<Arc<Webhook>>);

impl Chain {
    /// A chain that allows masters only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source of refusals, asked before every authorizer.
    #[must_use]
    pub fn guard(mut self, guard: impl Guard + 'static) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// Adds an authorizer behind those there are.
    #[must_use]
    pub fn then(self, authorizer: impl Authorizer + 'static) -> Self {
        let mut links = Vec::clone(&self.links.load());
        links.push(Link::to(authorizer));
        self.links.store(Arc::new(links));
        self
    }

    /// Tries rules out beside the chain: what they would change is counted.
    #[must_use]
    pub fn shadow(mut self, files: PolicyFiles) -> Self {
        self.shadow = Some(Shadow::new(files));
        self
    }

    /// Puts other authorizers behind the guards. Every decision after this returns is theirs.
    pub(crate) fn replace(&self, links: Vec<Link>) {
        self.links.store(Arc::new(links));
        self.replaced.fetch_add(1, Ordering::Release);
    }

    /// The recent decisions about requests.
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// The rules that are tried out.
    pub fn shadowing(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// Whether a deny rule stands against it, whatever is granted.
    pub(crate) fn refuses(&self, user: &UserInfo, attributes: &Attributes<'_>) -> bool {
        !user.in_group(MASTERS) && self.guards.iter().any(|guard| guard.objection(user, attributes).is_some())
    }

    /// What each guard and authorizer says, asked without regard to the others. A webhook that would have to be
    /// asked says nothing.
    pub(crate) fn walk(
        &self,
        user: &UserInfo,
        attributes: &Attributes<'_>,
        answers: &Answers,
    ) -> Vec<Opinion> {
        let object = |guard: &dyn Guard| match guard.objection(user, attributes) {
            Some(reason) => Decision::deny(reason),
            None => Decision::no_opinion(),
        };
        let mut said: Vec<_> =
            self.guards.iter().map(|guard| (guard.name().into(), Some(object(&**guard)), None)).collect();
        for link in self.links.load().iter() {
            said.push(match &link.who {
                Who::Us(one) => (one.name().into(), Some(one.decide(user, attributes)), None),
                Who::Webhook(webhook) => {
                    let decision = match webhook.look(user, attributes, answers) {
                        Look::Excluded => Some(Decision::no_opinion()),
                        Look::Says(decision) => Some(decision),
                        Look::Unasked => None,
                    };
                    (webhook.name().to_string().into(), decision, Some(Arc::clone(webhook)))
                }
            });
        }
        said
    }

    /// The names of the authorizers, in order.
    pub fn names(&self) -> Vec<String> {
        let guards = self.guards.iter().map(|guard| guard.name());
        let ours = [MASTERS].into_iter().chain(guards).map(str::to_owned);
        let links = self.links.load();
        let authorizers = links.iter().map(|link| match link.by() {
            By::Us(name) => name.to_owned(),
            By::Webhook(name) => format!("Webhook {name}"),
        });
        ours.chain(authorizers).collect()
    }

    /// The webhooks it may have to ask, in order.
    pub(crate) fn webhooks(&self) -> Vec<Arc<Webhook>> {
        self.links.load().iter().filter_map(Link::webhook).cloned().collect()
    }

    /// Decides without waiting and without a webhook's new word: where one would have to be asked, it is a refusal.
    pub fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Receipt {
        self.weigh(user, attributes, &Answers::default())
    }

    /// Decides, waiting for webhooks where they must be asked.
    pub async fn settle(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Receipt {
        self.settle_with(user, attributes, &Answers::default()).await
    }

    /// The same, with answers that there are already.
    pub(crate) async fn settle_with(
        &self,
        user: &UserInfo,
        attributes: &Attributes<'_>,
        answers: &Answers,
    ) -> Receipt {
        loop {
            let receipt = self.weigh(user, attributes, answers);
            if !answers.fetch().await {
                return receipt;
            }
        }
    }

    /// Decides by the answers of webhooks that there are. Where one is missing the question is noted among the
    /// answers, and nothing is allowed.
    pub fn weigh(&self, user: &UserInfo, attributes: &Attributes<'_>, answers: &Answers) -> Receipt {
        if user.in_group(MASTERS) {
            return Receipt::new(Some(By::Us(MASTERS)), Decision::allow(Reason::Masters));
        }
        for guard in &self.guards {
            if let Some(reason) = guard.objection(user, attributes) {
                return Receipt::new(Some(By::Us(guard.name())), Decision::deny(reason));
            }
        }
        let (mut grounds, mut good_for) = (Grounds::default(), None);
        for link in self.links.load().iter() {
            let decision = match &link.who {
                Who::Us(authorizer) => authorizer.decide(user, attributes),
                Who::Webhook(webhook) => match webhook.look(user, attributes, answers) {
                    Look::Excluded => continue,
                    Look::Unasked => return unasked(webhook),
                    Look::Says(decision) => {
                        let its = webhook.good_for(&decision);
                        good_for = Some(good_for.map_or(its, |all| its.min(all)));
                        decision
                    }
                },
            };
            match decision {
                Decision::NoOpinion(more) => {
                    grounds.reasons.extend(more.reasons);
                    grounds.errors.extend(more.errors);
                }
                settled => {
                    link.count(&settled);
                    return Receipt::new(Some(link.by()), settled).standing_for(good_for);
                }
            }
        }
        Receipt::new(None, Decision::NoOpinion(grounds)).standing_for(good_for)
    }

    /// Counts the changes that may change a decision about the user: as long as it stays, so do they.
    pub fn generation(&self, user: &UserInfo) -> u64 {
        let guards = self.guards.iter().fold(0, |sum, guard| guard.generation().wrapping_add(sum));
        let links = self.links.load();
        let authorizers = links.iter().filter_map(Link::authorizer);
        let authorizers = authorizers.fold(0, |sum, one| one.generation(user).wrapping_add(sum));
        guards.wrapping_add(authorizers).wrapping_add(self.replaced.load(Ordering::Acquire))
    }

    /// What the user may do in a namespace, as far as it can be listed. Guards and webhooks make it incomplete.
    pub fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let mut all = Rules::default();
        for link in self.links.load().iter() {
            all.extend(match &link.who {
                Who::Us(authorizer) => authorizer.rules(user, namespace),
                Who::Webhook(_) => Rules::untold("webhook authorizer does not support user rule resolution"),
            });
        }
        if user.in_group(MASTERS) {
            all.add_everything();
        }
        all.incomplete |= self.guards.iter().any(|guard| guard.concerns(user));
        all
    }
}

/// Refuses until a webhook has answered.
fn unasked(webhook: &Webhook) -> Receipt {
    let why = format!("the authorization webhook \"{}\" must be asked", webhook.name());
    let grounds = Grounds { reasons: Vec::new(), errors: vec![why.into()] };
    Receipt::new(None, Decision::NoOpinion(grounds))
}

#[cfg(test)]
mod tests;
