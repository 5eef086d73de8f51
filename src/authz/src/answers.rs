//! What webhooks were asked and answered during one piece of work.
//!
//! ```text
//! weigh -> a webhook's answer is missing: noted, nothing is allowed
//! fetch -> asks what was noted
//! weigh -> decides by it
//! ```
//!
//! Work that cannot wait in the middle (a plugin of admission, the checks of escalation) is done again from its start once the
//! answers are there. What it would have stored before is refused: a permit covers nothing while a question is open.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::iter;
use parking_lot::Mutex;
use portcullis_api::UserInfo;

use crate::attributes::Attributes;
use crate::chain::Chain;
use crate::decision::Receipt;
use crate::webhook::{Key, Outcome, Spec, Webhook};

/// The most questions that one piece of work may put to webhooks.
const MOST: usize = 512;

/// How many of them are under way at once.
const AT_ONCE: usize = 16;

/// Answers, and questions that are open. Costs next to nothing where no webhook is asked.
/// Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<Option<Box<Inner>>>>);

#[derive(Default)]
struct Inner {
    known: Vec<(u64, Key, Outcome)>,
    open: Vec<Question>,
    /// Something was asked that will not be answered.
    spent: bool,
}

/// A question to a webhook.
pub(crate) struct Question {
    pub(crate) webhook: Arc<Webhook>,
    pub(crate) key: Key,
    pub(crate) spec: Spec,
}

impl Answers {
    /// The answer of a webhook to a question.
    pub(crate) fn find(&self, webhook: u64, key: &Key) -> Option<Outcome> {
        let inner = self.0.lock();
        let known = &inner.as_ref()?.known;
        known.iter().find(|(by, to, _)| *by == webhook && to == key).map(|(.., outcome)| outcome.clone())
    }

    /// Notes a question.
    pub(crate) fn note(&self, question: Question) {
        let mut inner = self.0.lock();
        let inner = inner.get_or_insert_default();
        if inner.known.len().saturating_add(inner.open.len()) >= MOST {
            inner.spent = true;
            return;
        }
        let same =
            |other: &Question| other.webhook.id() == question.webhook.id() && other.key == question.key;
        if !inner.open.iter().any(same) {
            inner.open.push(question);
        }
    }

    /// Whether something decided meanwhile may come out otherwise once webhooks have answered.
    pub fn are_missing(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|inner| inner.spent || !inner.open.is_empty())
    }

    /// Asks what is open; whether there was anything, so that the work is to be done again.
    pub async fn fetch(&self) -> bool {
        let open = match self.0.lock().as_mut() {
            Some(inner) => std::mem::take(&mut inner.open),
            None => return false,
        };
        if open.is_empty() {
            return false;
        }
        let asked = open.into_iter().map(|Question { webhook, key, spec }| async move {
            let outcome = webhook.ask(&key, &spec).await;
            (webhook.id(), key, outcome)
        });
        let answered: Vec<_> = iter(asked).buffer_unordered(AT_ONCE).collect().await;
        self.0.lock().get_or_insert_default().known.extend(answered);
        true
    }
}

/// The chain with the answers of webhooks that a piece of work has.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) answers: &'a Answers,
}

impl<'a> Asking<'a> {
    /// Asks a chain, with answers.
    pub fn new(chain: &'a Chain, answers: &'a Answers) -> Self {
        Self { chain, answers }
    }

    /// Decides by the answers there are; what is missing is noted.
    pub fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Receipt {
        self.chain.weigh(user, attributes, self.answers)
    }

    /// Whether it may be done.
    pub fn allows(&self, user: &UserInfo, attributes: &Attributes<'_>) -> bool {
        self.decide(user, attributes).is_allowed()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("missing", &self.are_missing()).finish_non_exhaustive()
    }
}
