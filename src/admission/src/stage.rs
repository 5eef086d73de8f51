//! The parts of the chain that objects of the API configure: policies and webhooks.
//!
//! They may wait for others, so they are asynchronous, and they are asked only when something is
//! configured: a server without policies and webhooks neither awaits nor allocates for them. Each has a
//! place of its own in the [`Chain`](crate::Chain), which keeps upstream's order.

use std::collections::HashSet;

use async_trait::async_trait;
use portcullis_api::{Object, Result};

use crate::attributes::Attributes;

/// May change the object before it is validated, or refuse.
#[async_trait]
pub trait MutatingStage: Send + Sync + 'static {
    /// Whether nothing is configured. Asked for every write: no more than a look.
    fn is_idle(&self) -> bool;

    /// Changes the object, or refuses. There is none when the object is deleted.
    ///
    /// A stage leaves the object in normal form ([`Kinds::settle`](crate::Kinds::settle)) and of the
    /// kind of the request, whatever version it worked on.
    ///
    /// # Errors
    /// The refusal the client reads.
    async fn mutate(
        &self,
        write: &Attributes<'_>,
        object: Option<&mut Object>,
        round: &mut Round<'_>,
    ) -> Result<()>;
}

/// May refuse the final object.
#[async_trait]
pub trait ValidatingStage: Send + Sync + 'static {
    /// Whether nothing is configured. Asked for every write: no more than a look.
    fn is_idle(&self) -> bool;

    /// Refuses the object, or the deletion when there is none.
    ///
    /// # Errors
    /// The refusal the client reads.
    async fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()>;
}

/// Lets others have the thread: between evaluations, which do not wait for anything by themselves.
pub(crate) async fn breathe() {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// What one stage remembers from the first round to the second.
#[derive(Default)]
pub(crate) struct Memory {
    /// The object as the stage left it.
    left: Option<Object>,
    /// Those that ran and may run again when something changes later.
    ran: HashSet<String>,
    /// Those that are to run again.
    again: HashSet<String>,
}

/// One round of a mutating stage. There is a second one when something was changed: in it the built-in
/// plugins see the object again, and of a stage those that asked for it and ran before the change.
pub struct Round<'r> {
    second: bool,
    wanted: &'r mut bool,
    memory: &'r mut Memory,
}

impl<'r> Round<'r> {
    pub(crate) fn new(second: bool, wanted: &'r mut bool, memory: &'r mut Memory) -> Self {
        Self { second, wanted, memory }
    }

    /// Whether this is the second round.
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// Begins the round: what changed since the stage ran concerns all that may run again.
    pub fn begin(&mut self, object: Option<&Object>) {
        if self.second && self.memory.left.as_ref() != object {
            self.recall();
        }
    }

    /// Whether a webhook or policy runs in this round. None runs for the first time in the second.
    pub fn runs(&self, id: &str) -> bool {
        !self.second || self.memory.again.contains(id)
    }

    /// Says that the object was changed: those that ran before run again, and so does everybody before
    /// this stage.
    pub fn changed(&mut self) {
        self.recall();
        *self.wanted = true;
    }

    /// Says that one that may run again has run.
    pub fn ran(&mut self, id: &str) {
        self.memory.ran.insert(id.to_owned());
    }

    /// Ends the round.
    pub fn end(&mut self, object: Option<&Object>) {
        if !self.second && (*self.wanted || !self.memory.ran.is_empty()) {
            self.memory.left = object.cloned();
        }
    }

    fn recall(&mut self) {
        self.memory.again.extend(self.memory.ran.drain());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_before_a_change_runs_again() {
        let (mut wanted, mut memory) = (false, Memory::default());
        let mut first = Round::new(false, &mut wanted, &mut memory);
        first.ran("a");
        first.changed();
        first.ran("b");
        first.end(Some(&Object::default()));
        assert!(wanted);
        let mut second = Round::new(true, &mut wanted, &mut memory);
        second.begin(Some(&Object::default()));
        assert!(second.runs("a") && !second.runs("b") && !second.runs("c"));
    }

    #[test]
    fn a_change_between_the_rounds_concerns_all_that_may_run_again() {
        let (mut wanted, mut memory) = (true, Memory::default());
        let mut first = Round::new(false, &mut wanted, &mut memory);
        first.ran("a");
        first.end(Some(&Object::default()));
        let mut other = Object::default();
        other.set_meta_str("name", "x");
        let mut second = Round::new(true, &mut wanted, &mut memory);
        second.begin(Some(&other));
        assert!(second.runs("a"));
    }
}
