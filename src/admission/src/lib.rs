//! Admission: what may still be changed or refused once a request is authorized.
//!
//! A write passes the chain twice. First every plugin may change the object (`mutate`), then, after
//! the kind's own preparation and validation, every plugin may refuse it (`validate`). Only the
//! second pass makes an [`Admitted`], and only an `Admitted` can be committed to storage.
//!
//! Behind the built-in plugins come the stages that objects of the API configure: policies, then webhooks
//! ([`MutatingStage`], [`ValidatingStage`]). They share what a request is matched by ([`matching`]) and what
//! expressions may refer to ([`expressions`]).
//!
//! What a plugin must read goes through [`Reader`], which the registry implements. What it has to say
//! beside its decision goes into [`Notes`], which the caller owns.

mod attributes;
mod chain;
pub mod expressions;
mod ledger;
pub mod matching;
mod notes;
pub mod plugins;
pub mod policies;
mod reader;
mod shown;
mod stage;
mod target;
mod webhooks;

#[cfg(test)]
mod fake;

pub use attributes::{Attributes, Operation};
pub use chain::{Admitted, Chain, Plugin, STAGES};
pub use ledger::{Charge, Reservation};
pub use notes::{Annotation, Notes};
pub use reader::Reader;
pub use shown::Shown;
pub use stage::{MutatingStage, Round, ValidatingStage};
pub use target::{Kinds, Options, Served, Target};
pub use webhooks::{WebhookKind, Webhooks};
