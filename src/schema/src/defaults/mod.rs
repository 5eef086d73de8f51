//! Defaulting: what upstream's `SetDefaults_*` functions fill in, as functions over trees in normal form.
//!
//! `core` and `others` each export one table of rows (group, version, kind, function). A kind that is
//! in no table has no defaults. To add a kind, add a row to the table of its file; nothing here changes.

mod core;
mod others;
pub mod tree;

use std::collections::HashMap;
use std::sync::LazyLock;

use portcullis_api::{Gvk, Object};

/// One kind's defaulting: group, version, kind and the function that fills the object in.
pub(crate) type Row = (&'static str, &'static str, &'static str, fn(&mut Object));

type Table = HashMap<(&'static str, &'static str, &'static str), fn(&mut Object)>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    [core::DEFAULTS, others::DEFAULTS]
        .into_iter()
        .flatten()
        .map(|&(group, version, kind, fill)| ((group, version, kind), fill))
        .collect()
});

/// Fills in the defaults of a kind. The tree must be in normal form and stays so.
pub fn apply(gvk: &Gvk, object: &mut Object) {
    if let Some(fill) = TABLE.get(&(&*gvk.gv.group, &*gvk.gv.version, &*gvk.kind)) {
        fill(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_has_two_rows() {
        assert_eq!(TABLE.len(), core::DEFAULTS.len() + others::DEFAULTS.len());
    }
}
