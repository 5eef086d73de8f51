//! Admission policies: rules in the Common Expression Language that objects of the API hold.
//!
//! ```text
//! policy, binding (stored) -> hooks    compiled once, swapped as a whole, incrementally
//! write -> hooks: criteria of the policy, of the binding, parameters      (matching, params)
//!       -> mutating: conditions, then patches, one after the other        (mutating, patch)
//!       -> validating: conditions, validations, messages, annotations     (validating, judge)
//! ```
//!
//! What a policy says is upstream's, word for word. An expression that fails follows the policy's
//! `failurePolicy`; nothing that cannot be found out lets a request pass unless the policy says so. Every evaluation
//! has a budget, and how deep variables refer to variables is bounded where they are compiled.

mod binding;
mod compiler;
mod hooks;
mod judge;
mod mutating;
mod params;
mod patch;
mod policy;
mod request;
mod typecheck;

mod validating;
mod variables;

#[cfg(test)]
mod tests;

pub use compiler::{Compiler, Part};
pub use hooks::Policies;
pub use typecheck::{Known, type_check};
