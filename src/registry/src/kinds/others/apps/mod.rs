//! The kinds that keep pods running.

mod controller_revision;
mod daemon_set;
mod deployment;
mod replica_set;
mod stateful_set;
mod template;

use crate::kinds::Row;

pub(super) use template::name_warnings;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    ("apps", "controllerrevisions", "", &controller_revision::KIND),
    ("apps", "daemonsets", "", &daemon_set::KIND),
    ("apps", "daemonsets", "status", &daemon_set::STATUS),
    ("apps", "deployments", "", &deployment::KIND),
    ("apps", "deployments", "status", &deployment::STATUS),
    ("apps", "replicasets", "", &replica_set::KIND),
    ("apps", "replicasets", "status", &replica_set::STATUS),
    ("apps", "statefulsets", "", &stateful_set::KIND),
    ("apps", "statefulsets", "status", &stateful_set::STATUS),
];
