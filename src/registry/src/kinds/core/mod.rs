//! The kinds of the core group.

use super::Row;

/// A row for each resource and subresource of the core group that has behaviour.
pub(crate) const STRATEGIES: &[Row] = &[];
