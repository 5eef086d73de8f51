//! Storage classes, CSI drivers and what they attach.

mod attachment;
mod class;
mod driver;

use crate::kinds::Row;

const GROUP: &str = "storage.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "csidrivers", "", &driver::DRIVER),
    (GROUP, "csinodes", "", &driver::NODE),
    (GROUP, "csistoragecapacities", "", &class::CAPACITY),
    (GROUP, "storageclasses", "", &class::STORAGE_CLASS),
    (GROUP, "volumeattachments", "", &attachment::KIND),
    (GROUP, "volumeattachments", "status", &attachment::STATUS),
    (GROUP, "volumeattributesclasses", "", &class::ATTRIBUTES_CLASS),
];
