//! Flow schemas and priority levels.

use super::kind::{Kept, Kind, Status, empty, meta_change, no_rules};
use crate::kinds::Row;
use crate::kinds::meta;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "flowschemas", "", &FLOW_SCHEMA),
    (GROUP, "flowschemas", "status", &STATUS),
    (GROUP, "prioritylevelconfigurations", "", &PRIORITY_LEVEL),
    (GROUP, "prioritylevelconfigurations", "status", &STATUS),
];

static FLOW_SCHEMA: Kind = Kind::cluster(meta::dns_subdomain, no_rules).status(empty).generation(&["spec"]);
static PRIORITY_LEVEL: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).status(empty).generation(&["spec"]);
static STATUS: Status = Status::new(meta_change).keeps(Kept::AllMeta);
