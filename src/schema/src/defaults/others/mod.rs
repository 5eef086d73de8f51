//! Defaults of the named API groups.

use super::Row;

/// A row for each kind that has defaults.
pub(crate) const DEFAULTS: &[Row] = &[];
