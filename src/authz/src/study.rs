//! Policies studied away from a server, by the evaluators that decide in one.
//!
//! ```text
//! read    files and directories: RBAC objects, namespaces, policy files
//! lint    what is risky, broken or without effect
//! cases   expectations written down, what of the policies they cover, and which changes they would notice
//! replay  what would have been decided about the requests of an audit log
//! least   the smallest roles that allow what somebody did
//! diff    what two sets of policies give whom
//! ```

mod cases;
mod diff;
mod document;
mod least;
mod lint;
mod read;
mod replay;
#[cfg(test)]
mod tests;

pub use cases::{Cases, Outcome, Report as CasesReport};
pub use diff::{Change, Gathered, diff, gathered};
pub use least::Least;
pub use lint::{Finding, Level, lint, sarif};
pub use read::{SERVER, Studied, StudyError};
pub use replay::{Flipped, Replay};
