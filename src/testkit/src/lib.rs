//! A whole control plane inside a test.
//!
//! ```text
//! control_plane   store, certificates, policies, registry and server on a free port, in a directory of its own
//! credentials     certificates and tokens for whomever a test wants to be
//! hook            a webhook that answers as it is told
//! raw             bytes over TLS, exactly as written and exactly as answered
//! ```
//!
//! Only for tests: no crate depends on this one but for its tests.

mod control_plane;
mod credentials;
mod hook;
mod raw;

pub use control_plane::ControlPlane;
pub use hook::{HookReply, Webhook};
pub use raw::{Answer, RawClient};

/// A test's own failure: anything that can be shown.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What the operations of this crate answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;
