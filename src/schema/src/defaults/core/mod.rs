//! Defaults of the core group.

use super::Row;

/// A row for each kind that has defaults.
pub(crate) const DEFAULTS: &[Row] = &[];
