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

use portcullis_api::UserInfo;

use crate::attributes::Attributes;
use crate::decision::{Decision, Grounds, Reason, Receipt};
use crate::files::PolicyFiles;
use crate::listing::Rules;
use crate::receipts::Receipts;
use crate::shadow::Shadow;

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
    authorizers: Vec<Box<dyn Authorizer>>,
    receipts: Receipts,
    shadow: Option<Shadow>,
}

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
    pub fn then(mut self, authorizer: impl Authorizer + 'static) -> Self {
        self.authorizers.push(Box::new(authorizer));
        self
    }

    /// Tries rules out beside the chain: what they would change is counted.
    #[must_use]
    pub fn shadow(mut self, files: PolicyFiles) -> Self {
        self.shadow = Some(Shadow::new(files));
        self
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

    /// What each guard and authorizer says, asked without regard to the others.
    pub fn walk(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Vec<(&'static str, Decision)> {
        let object = |guard: &dyn Guard| match guard.objection(user, attributes) {
            Some(reason) => Decision::deny(reason),
            None => Decision::no_opinion(),
        };
        let guards = self.guards.iter().map(|guard| (guard.name(), object(&**guard)));
        guards.chain(self.authorizers.iter().map(|one| (one.name(), one.decide(user, attributes)))).collect()
    }

    /// The names of the authorizers, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let guards = self.guards.iter().map(|g| g.name());
        [MASTERS].into_iter().chain(guards).chain(self.authorizers.iter().map(|a| a.name()))
    }

    /// Decides.
    pub fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Receipt {
        if user.in_group(MASTERS) {
            return Receipt::new(Some(MASTERS), Decision::allow(Reason::Masters));
        }
        for guard in &self.guards {
            if let Some(reason) = guard.objection(user, attributes) {
                return Receipt::new(Some(guard.name()), Decision::deny(reason));
            }
        }
        let mut grounds = Grounds::default();
        for authorizer in &self.authorizers {
            match authorizer.decide(user, attributes) {
                Decision::NoOpinion(more) => {
                    grounds.reasons.extend(more.reasons);
                    grounds.errors.extend(more.errors);
                }
                settled => return Receipt::new(Some(authorizer.name()), settled),
            }
        }
        Receipt::new(None, Decision::NoOpinion(grounds))
    }

    /// Counts the changes that may change a decision about the user: as long as it stays, so do they.
    pub fn generation(&self, user: &UserInfo) -> u64 {
        let guards = self.guards.iter().map(|guard| guard.generation());
        guards.chain(self.authorizers.iter().map(|one| one.generation(user))).fold(0, u64::wrapping_add)
    }

    /// What the user may do in a namespace, as far as it can be listed. Guards make it incomplete.
    pub fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let mut all = Rules::default();
        for authorizer in &self.authorizers {
            all.extend(authorizer.rules(user, namespace));
        }
        if user.in_group(MASTERS) {
            all.add_everything();
        }
        all.incomplete |= self.guards.iter().any(|guard| guard.concerns(user));
        all
    }
}

#[cfg(test)]
mod tests;
