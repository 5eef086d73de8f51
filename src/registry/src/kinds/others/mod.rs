//! The kinds of the named API groups, one module each.
//!
//! A kind is a [`kind::Kind`] value: its regular parts are fields, its rules are functions over trees.

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod certificates;
mod conditions;
pub(crate) mod convert;
mod coordination;
mod discovery;
mod events;
mod flowcontrol;
mod go;
mod identity;
mod kind;
mod names;
mod networking;
mod node;
mod policy;
mod rbac;
mod resource;
pub(crate) mod scale;
mod scheduling;
mod storage;
#[cfg(test)]
mod tests;
mod tree;
mod webhook;

use super::Row;

pub(crate) use apiextensions::approval_condition;
pub(crate) use certificates::stamp_requester;
pub(crate) use identity::LAST_USE;

/// The strategies of each group.
pub(crate) const STRATEGIES: &[&[Row]] = &[
    admissionregistration::STRATEGIES,
    apiextensions::STRATEGIES,
    apiregistration::STRATEGIES,
    apps::STRATEGIES,
    autoscaling::STRATEGIES,
    batch::STRATEGIES,
    certificates::STRATEGIES,
    coordination::STRATEGIES,
    discovery::STRATEGIES,
    events::STRATEGIES,
    flowcontrol::STRATEGIES,
    identity::STRATEGIES,
    networking::STRATEGIES,
    node::STRATEGIES,
    policy::STRATEGIES,
    rbac::STRATEGIES,
    resource::STRATEGIES,
    scheduling::STRATEGIES,
    storage::STRATEGIES,
];
