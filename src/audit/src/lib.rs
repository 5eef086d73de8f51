//! What happened: one event per stage of a request, as plain data.
//!
//! ```text
//! Attributes   AuditSlot::begin          the slot travels in the request's type; every gate adds what it knows
//! Authenticate slot.user
//! Audit        Policy::plan              how much is recorded; RequestReceived, and refusal where that is
//!                                        required and cannot be
//! …            slot.impersonated, slot.annotate, slot.object, slot.request_body
//! Registry     slot.outbox               the record of a mutation, in the commit itself
//! Audit        ResponseStarted/Complete  or, when nobody completed the slot, its drop does
//! Sink         queue -> writer thread -> rotated JSON lines -> signed chain
//!                                  \-> the webhook, if there is one
//! ```
//!
//! No event holds a credential, whatever the policy says (`mask`, `policy/guard`). The request path only
//! moves values into a bounded queue; serialising, sealing and writing are the writer thread's work.

mod capture;
mod chain;
mod event;
mod json;
mod latency;
mod layer;
mod level;
mod log;
mod mask;
mod metrics;
mod note;
mod outbox;
mod policy;
mod queue;
pub mod read;
mod sink;
mod slot;
mod stored;
mod webhook;

pub use chain::verify::{Finding, Report, Verifier, verify};
pub use chain::{Head, KeyError, PublicKey, Signer};
pub use event::{Event, ObjectRef, Opening, Outcome, Story, forwarded};
pub use latency::Latency;
pub use layer::{Audit, AuditLayer, Audited};
pub use level::{Level, Stage, Stages};
pub use log::{AuditLog, Format, LogConfig, Rotation};
pub use note::Note;
pub use outbox::{Outbox, Record, Ticket};
pub use policy::{DEFAULT_POLICY, Plan, Policy, PolicyError};
pub use sink::{Discard, Fan, Lost, Memory, Receipt, Sink};
pub use slot::{AuditSlot, HasSlot};
pub use webhook::{Intake, Throttle, Webhook, WebhookConfig};

#[cfg(test)]
mod tests;
