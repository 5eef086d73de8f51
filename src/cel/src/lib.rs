//! The Common Expression Language as Kubernetes speaks it.
//!
//! ```text
//! text -> syntax -> check -> plan                     compiled once, where a definition or a policy is written
//!                     |
//!                     +-> cost::estimate              by the bounds that a shape knows
//!
//! plan + variables (views of JSON through a shape) -> eval -> value, within a budget
//! ```
//!
//! What people read and what decides about their definitions is upstream's: the texts of errors, the types that fit, the
//! costs. What is not upstream's is that no expression can take more time or memory than [`Budget`] allows,
//! whatever it computes.

mod check;
mod cost;
mod error;
mod eval;
mod library;
mod meter;
mod program;
pub mod shape;
mod source;
mod syntax;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use cost::{Hints, Range};
pub use error::EvalError;
pub use library::{Authorizer, Check, Cidr, Decision, Moment, NamedFormat, Question, Semver, Url};
pub use program::{
    Activation, Bindings, Budget, CALL_LIMIT, Environment, MATCH_BUDGET, OBJECT_BUDGET, Program,
};
pub use shape::{Merge, Property, Shape};
pub use source::{CompileError, Issue, Position};
pub use types::{ObjectType, Type};
pub use value::{Entries, Key, List, Made, Map, Opaque, Text, Val};
