//! Jobs and cron jobs.

mod cron_job;
mod indexes;
mod job;
mod job_spec;
mod job_status;
mod job_update;
mod policies;
mod schedule;

use crate::kinds::Row;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    ("batch", "cronjobs", "", &cron_job::KIND),
    ("batch", "cronjobs", "status", &cron_job::STATUS),
    ("batch", "jobs", "", &job::KIND),
    ("batch", "jobs", "status", &job::STATUS),
];
