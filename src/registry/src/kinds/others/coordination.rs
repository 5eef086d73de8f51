//! Leases.

use portcullis_api::Object;
use portcullis_api::field::ErrorList;

use super::kind::Kind;
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, NEGATIVE, opt_int};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[("coordination.k8s.io", "leases", "", &KIND)];

static KIND: Kind = Kind::namespaced(meta::dns_subdomain, rules)
    .change(|new, _, errors| rules(new, errors))
    .on_create(|new| drop_coordination(new, None))
    .on_update(|new, old| drop_coordination(new, Some(old)))
    .creates_on_update()
    .needs_version();

/// The gate of coordinated election is closed; only leases that use it keep its fields.
fn drop_coordination(new: &mut Object, old: Option<&Object>) {
    for field in ["strategy", "preferredHolder"] {
        if old.is_none_or(|old| old.at(&["spec", field]).is_none()) {
            new.remove_at(&["spec", field]);
        }
    }
}

fn rules(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    if let Some(seconds) = opt_int(spec, "leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        at.child("leaseDurationSeconds").invalid(errors, seconds, "must be greater than 0");
    }
    if let Some(count) = opt_int(spec, "leaseTransitions").filter(|count| *count < 0) {
        at.child("leaseTransitions").invalid(errors, count, NEGATIVE);
    }
}
