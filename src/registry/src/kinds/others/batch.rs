//! Jobs and cron jobs.

use super::kind::{Kind, Status, empty, meta_change, no_rules, nothing};
use crate::kinds::Row;
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    ("batch", "cronjobs", "", &CRON_JOB),
    ("batch", "cronjobs", "status", &CRON_JOB_STATUS),
    ("batch", "jobs", "", &JOB),
    ("batch", "jobs", "status", &JOB_STATUS),
];

static CRON_JOB: Kind = Kind::namespaced(meta::dns_subdomain, no_rules).status(empty).generation(&["spec"]);
static CRON_JOB_STATUS: Status = Status::new(nothing);
static JOB: Kind =
    Kind::namespaced(meta::dns_subdomain, no_rules).status(empty).generation(&["spec"]).orphans();
static JOB_STATUS: Status = Status::new(meta_change);
