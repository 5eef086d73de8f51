//! What objects use, by the names quotas have for it, and which quotas they concern.
//!
//! Admission adds what a new object uses, a controller counts what all of them use: both measure alike.

mod scopes;
mod usage;

use std::collections::BTreeMap;

pub use scopes::{attribute_classes, has_scopes, in_scopes, is_terminating};
pub use usage::Measured;

use crate::quantity::Quantity;
use crate::{Value, resources};

/// Amounts by the name quotas have for them.
pub type Usage = BTreeMap<String, Quantity>;

/// The amounts of a resource list; what is no quantity is left out.
pub fn amounts(list: Option<&Value>) -> Usage {
    resources::read(list).into_iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// Adds amounts to a sum.
pub fn add(sum: &mut Usage, more: &Usage) {
    for (name, amount) in more {
        sum.entry(name.clone()).and_modify(|known| known.add(amount)).or_insert_with(|| amount.clone());
    }
}
