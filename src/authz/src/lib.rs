//! Who may do what.
//!
//! ```text
//! Impersonate   Audited<Authenticated> -> Effective    whose rights count
//! Fairness      Effective -> Seated                     whose turn it is
//! Authorize     Seated -> Authorized                    asks the chain; hands out the permit
//! ```
//!
//! A decision is a pure function of user, attributes and indexes ([`chain`]); RBAC's index is kept up
//! to date write by write ([`rbac`]). The [`Permit`] that a decision yields is asked again at the
//! door of storage.

pub mod attributes;
pub mod chain;
pub mod decision;
pub mod listing;
pub mod rbac;

pub use attributes::Attributes;
pub use chain::{Authorizer, Chain, Guard};
pub use decision::{Decision, Receipt};
