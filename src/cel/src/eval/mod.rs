//! From a checked tree to a value.
//!
//! ```text
//! tree --plan--> nodes: constants folded, variables resolved, functions found, patterns compiled
//! nodes --evaluate--> value, every step charged
//! ```

mod access;
mod fold;
mod node;
mod plan;
mod run;

pub(crate) use node::Node;
pub(crate) use plan::plan;
pub(crate) use run::run;
