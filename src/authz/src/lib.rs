//! Who may do what.
//!
//! ```text
//! Impersonate   Audited<Authenticated> -> Effective    whose rights count
//! Fairness      Effective -> Seated                    whose turn it is
//! Authorize     Seated -> Authorized                   asks the chain; hands out the permit
//! ```
//!
//! A decision is a pure function of user, attributes and indexes ([`chain`]); RBAC's index is kept up
//! to date write by write ([`rbac`]), as is the graph of what belongs to which node ([`node`]). Policy files ([`files`]) are replaced as a whole. What a
//! webhook said is one more thing a decision is a function of ([`Answers`]); work that lacks an answer is done again. The [`Permit`] that a decision yields is asked again at the
//! door of storage. Reviews ([`review`]) put questions to the same chain.

mod answers;
pub mod attributes;
pub mod authorities;
mod authorize;
pub mod budget;
pub mod chain;
pub mod decision;
mod effects;
mod evidence;
mod fairness;
pub mod files;
mod forbidden;
mod impersonate;
pub mod listing;
mod metrics;
pub mod node;
mod permit;
pub mod policies;
pub mod rbac;
pub mod receipts;
pub mod review;
mod scopes;
mod shadow;
pub mod study;
#[cfg(test)]
mod testing;
mod used;
mod webhook;

pub use answers::{Answers, Asking};
pub use attributes::Attributes;
pub use authorities::{Authorities, Plan, WebhookFlags};
pub use authorize::{Authorize, AuthorizeLayer};
pub use budget::{Budget, Budgets};
pub use chain::{Authorizer, Chain, Guard};
pub use decision::{Decision, Receipt};
pub use evidence::{Authorized, Effective, Seated};
pub use fairness::{DEFAULT_SEATS, Fairness, FairnessLayer, Queue};
pub use files::{NamespaceLabels, PolicyFiles};
pub use forbidden::forbidden;
pub use impersonate::{Impersonate, ImpersonateLayer, take_impersonation};
pub use node::NodeAuthorizer;
pub use permit::Permit;
pub use rbac::RbacIndex;
pub use receipts::Receipts;
pub use scopes::TokenScopes;
pub use shadow::{Flip, Shadow};
pub use used::Used;
pub use webhook::{FailurePolicy, Version as ReviewVersion, WebhookPlan};
