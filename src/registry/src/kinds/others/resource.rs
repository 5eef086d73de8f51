//! Devices: what offers them, what classes there are, and who claims them.

use portcullis_api::Object;

use super::kind::{Kept, Kind, Status, empty, meta_change, no_rules};
use crate::kinds::Row;
use crate::kinds::meta;

const GROUP: &str = "resource.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "deviceclasses", "", &DEVICE_CLASS),
    (GROUP, "resourceclaims", "", &CLAIM),
    (GROUP, "resourceclaims", "status", &CLAIM_STATUS),
    (GROUP, "resourceclaimtemplates", "", &CLAIM_TEMPLATE),
    (GROUP, "resourceslices", "", &SLICE),
];

static DEVICE_CLASS: Kind = Kind::cluster(meta::long_name, no_rules).generation(&["spec"]);
static CLAIM: Kind = Kind::namespaced(meta::dns_subdomain, no_rules).status(empty);
static CLAIM_STATUS: Status = Status::new(meta_change).keeps(Kept::Meta);
static CLAIM_TEMPLATE: Kind = Kind::namespaced(meta::dns_subdomain, no_rules);
static SLICE: Kind = Kind::cluster(meta::dns_subdomain, no_rules).generation(&["spec"]).warns(warnings);

fn warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let driver = new.str_at(&["spec", "driver"]);
    if driver == driver.to_lowercase() {
        return Vec::new();
    }
    let words = "driver names should be lowercase";
    vec![format!(
        "spec.driver: {words}; {} contains uppercase characters",
        portcullis_api::field::go_quote(driver)
    )]
}
