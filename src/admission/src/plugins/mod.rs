//! The built-in plugins, one file or folder each, in upstream's order.
//!
//! Every write passes the plugins twice in this order: all that change objects first, all that only
//! refuse after the kind's own validation. What each is about:
//!
//! * namespaces and what they bound: `NamespaceLifecycle`, `LimitRanger`, `PodSecurity`;
//! * identities: `ServiceAccount`, `NodeRestriction`, the three of certificates, the optional
//!   `OwnerReferencesPermissionEnforcement`;
//! * nodes and pods: `TaintNodesByCondition`, `Priority`, `DefaultTolerationSeconds`, `RuntimeClass`,
//!   `PodTopologyLabels`, `NodeDeclaredFeatureValidator`, `PodResizeValidator`, the optional `AlwaysPullImages`;
//! * events: the optional `EventRateLimit`;
//! * storage and network: `DefaultStorageClass`, `StorageObjectInUseProtection`,
//!   `PersistentVolumeClaimResize`, `DefaultIngressClass`, the optional `DenyServiceExternalIPs`;
//! * `ResourceQuota`, last, because it reserves what the others might still refuse.
//!
//! To add one: a file with a unit struct that implements [`Plugin`], and its line in `every`
//! at the place upstream's order gives it.

mod always_pull;
mod certificate;
mod certificate_subject;
mod claim_resize;
mod default_classes;
mod default_toleration_seconds;
mod event_rate;
mod external_ips;
mod limit_ranger;
mod namespace_lifecycle;
mod node_features;
mod node_restriction;
mod object_in_use;
mod owner_references;
mod pod_references;
mod pod_resize;
mod pod_security;
mod pod_topology_labels;
mod priority;
mod resource_quota;
mod runtime_class;
mod service_account;
mod signing_request;
mod taint_nodes;

pub use event_rate::EventRateLimits;
pub use namespace_lifecycle::terminating;
use portcullis_api::{ApiError, GroupResource, Object};

use crate::attributes::Attributes;
use crate::chain::{Plugin, STAGES};
use signing_request::request_subject;

/// The plugins that are off unless asked for.
const OPTIONAL: &[&str] =
    &["AlwaysPullImages", EVENT_RATE, "OwnerReferencesPermissionEnforcement", "DenyServiceExternalIPs"];
const EVENT_RATE: &str = "EventRateLimit";

/// What plugins want to know that have settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of `EventRateLimit`.
    pub event_rate: Option<EventRateLimits>,
}

/// Why a choice of plugins cannot be had.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub enum BadChoice {
    /// No plugin has the name.
    #[error("plugin {0:?} is unknown")]
    Unknown(String),
    /// The plugin is asked for and refused at once.
    #[error("plugin {0:?} is both enabled and disabled")]
    Contradiction(String),
    /// The plugin does nothing without settings.
    #[error("plugin {0:?} has no configuration")]
    Unconfigured(String),
}

/// Every plugin that is on by default, in upstream's order.
pub fn built_in() -> Vec<Box<dyn Plugin>> {
    running(&Settings::default(), |name| !OPTIONAL.contains(&name))
}

/// The plugins that are on by default or enabled, and not disabled, in upstream's order. The names of the
/// [`STAGES`] may be in the lists too; the chain itself is told of those.
///
/// # Errors
/// A name that no plugin has, or that is in both lists.
pub fn chosen(
    enable: &[String],
    disable: &[String],
    settings: &Settings,
) -> Result<Vec<Box<dyn Plugin>>, BadChoice> {
    let mut known: Vec<&str> = every(settings).iter().map(|plugin| plugin.name()).collect();
    known.extend(STAGES);
    let named = |list: &[String], name: &str| list.iter().any(|one| one == name);
    if let Some(stranger) = enable.iter().chain(disable).find(|one| !known.contains(&one.as_str())) {
        return Err(BadChoice::Unknown(stranger.clone()));
    }
    if let Some(both) = enable.iter().find(|one| named(disable, one)) {
        return Err(BadChoice::Contradiction(both.clone()));
    }
    if settings.event_rate.is_none() && named(enable, EVENT_RATE) {
        return Err(BadChoice::Unconfigured(EVENT_RATE.to_owned()));
    }
    Ok(running(settings, |name| named(enable, name) || (!OPTIONAL.contains(&name) && !named(disable, name))))
}

fn running(settings: &Settings, wanted: impl Fn(&str) -> bool) -> Vec<Box<dyn Plugin>> {
    every(settings).into_iter().filter(|plugin| wanted(plugin.name())).collect()
}

fn every(settings: &Settings) -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(namespace_lifecycle::NamespaceLifecycle),
        Box::new(limit_ranger::LimitRanger),
        Box::new(service_account::ServiceAccount),
        Box::new(node_restriction::NodeRestriction),
        Box::new(taint_nodes::TaintNodesByCondition),
        Box::new(always_pull::AlwaysPullImages),
        Box::new(pod_security::PodSecurity),
        Box::new(priority::Priority),
        Box::new(default_toleration_seconds::DefaultTolerationSeconds),
        Box::new(settings.event_rate.as_ref().map(event_rate::EventRateLimit::new).unwrap_or_default()),
        Box::new(default_classes::DefaultStorageClass),
        Box::new(object_in_use::StorageObjectInUseProtection),
        Box::new(owner_references::OwnerReferences),
        Box::new(claim_resize::PersistentVolumeClaimResize),
        Box::new(runtime_class::RuntimeClass),
        Box::new(certificate::CertificateApproval),
        Box::new(certificate::CertificateSigning),
        Box::new(certificate_subject::CertificateSubjectRestriction),
        Box::new(default_classes::DefaultIngressClass),
        Box::new(external_ips::DenyServiceExternalIPs),
        Box::new(pod_topology_labels::PodTopologyLabels),
        Box::new(node_features::NodeDeclaredFeatures),
        Box::new(pod_resize::PodResizeValidator),
        Box::new(resource_quota::ResourceQuota::default()),
    ]
}

/// 403 for the object of a write, in upstream's words.
pub(crate) fn forbidden(write: &Attributes<'_>, object_name: &str, why: &str) -> ApiError {
    let name = if write.name.is_empty() { object_name } else { write.name };
    let name = if name.is_empty() { "Unknown" } else { name };
    ApiError::forbidden(write.resource, name, why)
}

/// A resource of the core group.
fn core(resource: &str) -> GroupResource {
    GroupResource::new("", resource)
}

/// The name a refusal shows for a new object: what it will be generated from, if it has none yet.
pub(crate) fn shown_name(object: &Object) -> &str {
    match object.name() {
        "" => object.meta_str("generateName"),
        name => name,
    }
}

#[cfg(test)]
mod tests;
