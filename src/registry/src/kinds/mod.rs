//! What each built-in kind adds to the generic verbs: one table from resource to strategy.
//!
//! `core` and the other groups each export rows of (group, resource, subresource, strategy). A kind
//! without a row has no behaviour of its own. Rules are built from [`check`] and [`meta`].

pub(crate) mod check;
pub(crate) mod core;
pub(crate) mod meta;
pub(crate) mod others;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::strategy::Strategy;

/// One strategy: group, resource, subresource (empty for the resource itself) and the behaviour.
pub(crate) type Row = (&'static str, &'static str, &'static str, &'static dyn Strategy);

type Table = HashMap<(&'static str, &'static str, &'static str), &'static dyn Strategy>;

/// The rows of all groups.
fn rows() -> impl Iterator<Item = &'static Row> {
    std::iter::once(&core::STRATEGIES).chain(others::STRATEGIES).copied().flatten()
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    rows()
        .map(|&(group, resource, subresource, strategy)| ((group, resource, subresource), strategy))
        .collect()
});

/// The behaviour of a resource or of one of its subresources.
pub fn strategy(group: &str, resource: &str, subresource: &str) -> Option<&'static dyn Strategy> {
    TABLE.get(&(group, resource, subresource)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_resource_has_two_rows() {
        assert_eq!(TABLE.len(), rows().count());
    }
}
