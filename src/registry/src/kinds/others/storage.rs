//! Storage classes, CSI drivers and what they attach.

use super::kind::{Kept, Kind, Status, meta_change, no_rules};
use crate::kinds::Row;
use crate::kinds::meta;
use serde_json::json;

const GROUP: &str = "storage.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "csidrivers", "", &CSI_DRIVER),
    (GROUP, "csinodes", "", &CSI_NODE),
    (GROUP, "csistoragecapacities", "", &CSI_STORAGE_CAPACITY),
    (GROUP, "storageclasses", "", &STORAGE_CLASS),
    (GROUP, "volumeattachments", "", &VOLUME_ATTACHMENT),
    (GROUP, "volumeattachments", "status", &VOLUME_ATTACHMENT_STATUS),
    (GROUP, "volumeattributesclasses", "", &VOLUME_ATTRIBUTES_CLASS),
];

static CSI_DRIVER: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).generation_of_changes(&["spec"]).needs_version();
static CSI_NODE: Kind = Kind::cluster(meta::dns_subdomain, no_rules).needs_version();
static CSI_STORAGE_CAPACITY: Kind = Kind::namespaced(meta::dns_subdomain, no_rules).needs_version();
static STORAGE_CLASS: Kind = Kind::cluster(meta::dns_subdomain, no_rules);
static VOLUME_ATTACHMENT: Kind =
    Kind::cluster(meta::dns_subdomain, no_rules).status(|| json!({ "attached": false })).needs_version();
static VOLUME_ATTACHMENT_STATUS: Status = Status::new(meta_change).keeps(Kept::Meta).needs_version();
static VOLUME_ATTRIBUTES_CLASS: Kind = Kind::cluster(meta::dns_subdomain, no_rules);
