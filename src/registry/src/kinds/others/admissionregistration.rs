//! Admission webhooks and policies.

use super::kind::{Kept, Kind, Status, empty, meta_change, no_rules};
use crate::kinds::Row;
use crate::kinds::meta;

const GROUP: &str = "admissionregistration.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "mutatingadmissionpolicies", "", &MUTATING_POLICY),
    (GROUP, "mutatingadmissionpolicybindings", "", &BINDING),
    (GROUP, "mutatingwebhookconfigurations", "", &WEBHOOKS),
    (GROUP, "validatingadmissionpolicies", "", &VALIDATING_POLICY),
    (GROUP, "validatingadmissionpolicies", "status", &VALIDATING_POLICY_STATUS),
    (GROUP, "validatingadmissionpolicybindings", "", &BINDING),
    (GROUP, "validatingwebhookconfigurations", "", &WEBHOOKS),
];

static MUTATING_POLICY: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).generation(&["spec"]).needs_version();
static VALIDATING_POLICY: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).status(empty).generation(&["spec"]).needs_version();
static VALIDATING_POLICY_STATUS: Status = Status::new(meta_change).keeps(Kept::Meta).needs_version();
static BINDING: Kind = Kind::cluster(meta::dns_subdomain, no_rules).generation(&["spec"]).needs_version();
static WEBHOOKS: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).generation(&["webhooks"]).needs_version();
