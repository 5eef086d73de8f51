//! Pods: the rules for their specs, which every workload embeds, and the pod's own life.
//!
//! [`spec`] walks a pod spec in upstream's order and hands each part to the file of its theme.
//! [`template`] is what workloads call for the templates they hold.

mod annotations;
mod app_armor;
mod binding;
mod container;
mod env;
mod generation;
mod host;
mod lists;
mod mounts;
mod options;
mod os;
mod paths;
mod probe;
mod qos;
mod reported;
mod resize;
mod resources;
mod scheduling;
mod security;
mod spec;
mod spread;
mod status;
mod strategy;
mod update;
mod volume;
mod warnings;
mod windows;

pub(crate) use binding::BindingStrategy;
pub(crate) use generation::drop_unserved_spec;
pub(crate) use options::Options;
pub(crate) use resources::is_extended;
pub(crate) use resources::{
    bounded_name, container_name, is_native, overhead, resource_name, resource_value,
};
pub(crate) use scheduling::{node_selector, tolerations};
pub(crate) use spec::template;
pub(crate) use strategy::{EPHEMERAL, POD, RESIZE, STATUS};
pub(crate) use warnings::template_warnings;
