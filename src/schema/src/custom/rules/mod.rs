//! Rules of definitions (`x-kubernetes-validations`): expressions that values must make true.
//!
//! ```text
//! definition written -> definition.rs: types, costs by the bounds of the schema, what rules may refer to
//! object written     -> compile.rs:    the rules beside the schema, compiled once
//!                    -> check.rs:      along the object and the one before, within one budget
//! ```
//!
//! `shapes.rs` tells expressions what the schema tells values.

mod check;
mod compile;
pub(super) mod definition;
mod shapes;
mod written;

#[cfg(test)]
mod tests;

use portcullis_api::Object;
use portcullis_api::field::ErrorList;

pub(super) use compile::{Spot, compile};
pub(super) use shapes::Shapes;
pub(crate) use written::Written;

use super::Structural;

/// What rules have to say about an object.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Why it is refused.
    pub errors: ErrorList,
    /// What is wrong and was so before.
    pub warnings: Vec<String>,
}

/// Evaluates all rules for an object. With the one before, rules about changes are evaluated as well, and what
/// did not change is forgiven.
pub(super) fn judge(schema: &Structural, spot: &Spot, object: &Object, old: Option<&Object>) -> Judgement {
    check::judge(schema, spot, object.map(), old.map(Object::map))
}
