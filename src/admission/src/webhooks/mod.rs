//! Admission webhooks: programs elsewhere that may change or refuse a write.
//!
//! ```text
//! a configuration is stored -> hook      compiled: rules, selectors, conditions, where it is and whom we believe there
//!                              set       all of one kind, in the order of their configurations' names
//! a write                   -> matching  which hooks are concerned, and in which version they see the object
//!                              review    the question, the answer and what is wrong with it
//!                              call      one call: deadline, failure policy, what is noted
//!                              mutating  one after the other, each sees what those before it changed
//!                              validating all at once, on the final object
//! ```
//!
//! Fail closed: whatever is not plainly an answer is a failure, and a failure refuses the write unless the
//! configuration says `Ignore`, which is written down. The configuration of admission itself is never sent to a
//! webhook, so that a webhook that refuses everything can be removed.

mod call;
mod hook;
mod metrics;
mod mutating;
mod review;
mod set;
mod validating;

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::Object;
use portcullis_outbound::HookCaller;

use crate::stage::{MutatingStage, ValidatingStage};
use mutating::Mutating;
use set::Set;
use validating::Validating;

/// Which of the two kinds of configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebhookKind {
    /// `MutatingWebhookConfiguration`
    Mutating,
    /// `ValidatingWebhookConfiguration`
    Validating,
}

/// All webhooks of a server. Clones share them.
#[derive(Clone)]
pub struct Webhooks {
    mutating: Arc<Mutating>,
    validating: Arc<Validating>,
}

impl Webhooks {
    /// None yet. All calls for one request end within `patience` of its arrival.
    pub fn new(caller: &Arc<HookCaller>, patience: Duration) -> Self {
        let set = || Set::new(caller.clone());
        Self {
            mutating: Arc::new(Mutating { hooks: set(), patience }),
            validating: Arc::new(Validating { hooks: set(), patience }),
        }
    }

    /// Takes in a configuration as it is stored now.
    pub fn upsert(&self, kind: WebhookKind, configuration: &Object) {
        self.set(kind).upsert(configuration);
    }

    /// Forgets a configuration.
    pub fn remove(&self, kind: WebhookKind, name: &str) {
        self.set(kind).remove(name);
    }

    /// The stages of the chain.
    pub fn stages(&self) -> (Arc<dyn MutatingStage>, Arc<dyn ValidatingStage>) {
        (self.mutating.clone(), self.validating.clone())
    }

    fn set(&self, kind: WebhookKind) -> &Set {
        match kind {
            WebhookKind::Mutating => &self.mutating.hooks,
            WebhookKind::Validating => &self.validating.hooks,
        }
    }
}
