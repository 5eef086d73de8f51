//! Admission webhooks and policies.
//!
//! Expressions are compiled when they are written, so that what is stored can be evaluated.

mod bindings;
mod policies;
mod rules;
mod webhooks;

use crate::kinds::Row;

const GROUP: &str = "admissionregistration.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "mutatingadmissionpolicies", "", &policies::MUTATING),
    (GROUP, "mutatingadmissionpolicybindings", "", &bindings::MUTATING),
    (GROUP, "mutatingwebhookconfigurations", "", &webhooks::MUTATING),
    (GROUP, "validatingadmissionpolicies", "", &policies::VALIDATING),
    (GROUP, "validatingadmissionpolicies", "status", &policies::STATUS),
    (GROUP, "validatingadmissionpolicybindings", "", &bindings::VALIDATING),
    (GROUP, "validatingwebhookconfigurations", "", &webhooks::VALIDATING),
];
