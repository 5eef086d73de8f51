//! What happened: one event per stage of a request, as plain data.
//!
//! ```text
//! Attributes   AuditSlot::begin          the slot travels in the request's type; every gate adds what it knows
//! Authenticate slot.user
//! Audit        RequestReceived           for what the policy wants an intent of
//! …            slot.impersonated, slot.annotate, slot.object
//! Audit        ResponseStarted/Complete  or, when nobody completed the slot, its drop does
//! Sink         queue -> writer thread -> rotated JSON lines
//! ```
//!
//! No event holds a body, a token or a header other than the user agent. The request path only moves
//! values into a bounded queue; serialising and writing is the writer thread's work.

mod event;
mod layer;
mod log;
mod policy;
mod queue;
mod sink;
mod slot;

pub use event::{Event, ObjectRef, Opening, Outcome, Stage, Story};
pub use layer::{Audit, AuditLayer, Audited};
pub use log::{AuditLog, LogConfig};
pub use policy::Policy;
pub use sink::{Discard, Lost, Memory, Sink};
pub use slot::{AuditSlot, HasSlot};

#[cfg(test)]
mod tests;
