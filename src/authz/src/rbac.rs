//! Role-based access control with upstream's semantics.
//!
//! ```text
//! index        what is granted to whom; decides in about a microsecond
//! tables       bindings by subject and namespace, roles by name
//! role, rule   what a role allows
//! binding      who gets which role
//! cover        whether rules cover other rules: the ground of the escalation checks
//! escalation   nobody grants what they do not hold, unless they may `escalate` or `bind`
//! aggregation  the rules of a role that gathers others by label
//! nearest      what would have to be granted
//! reconcile    brings the bootstrap objects of an existing cluster up to date
//! ```

mod aggregation;
mod binding;
mod cover;
mod escalation;
mod index;
mod nearest;
mod reconcile;
mod role;
mod rule;
mod tables;

pub use aggregation::aggregated_rules;
pub use binding::{Grant, MissingRole};
pub use escalation::{check_binding_escalation, check_role_escalation};
pub use index::RbacIndex;
pub use reconcile::{Reconciled, reconcile};
pub use rule::Rule;
pub use rule::Words;
pub(crate) use rule::{url_matches, words};

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";
