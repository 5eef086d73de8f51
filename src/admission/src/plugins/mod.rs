//! The built-in plugins, one file each, in upstream's order.
//!
//! To add one: a file with a unit struct that implements [`Plugin`], and its line in [`built_in`] at
//! the place upstream's order gives it.

mod certificate;
mod default_classes;
mod default_toleration_seconds;
mod namespace_lifecycle;
mod object_in_use;
mod priority;
mod runtime_class;
mod service_account;
mod taint_nodes;

use portcullis_api::{ApiError, GroupResource};

use crate::attributes::Attributes;
use crate::chain::Plugin;

/// Every plugin that is on by default, in upstream's order.
pub fn built_in() -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(namespace_lifecycle::NamespaceLifecycle),
        Box::new(service_account::ServiceAccount),
        Box::new(taint_nodes::TaintNodesByCondition),
        Box::new(priority::Priority),
        Box::new(default_toleration_seconds::DefaultTolerationSeconds),
        Box::new(default_classes::DefaultStorageClass),
        Box::new(object_in_use::StorageObjectInUseProtection),
        Box::new(runtime_class::RuntimeClass),
        Box::new(certificate::CertificateApproval),
        Box::new(certificate::CertificateSigning),
        Box::new(default_classes::DefaultIngressClass),
    ]
}

/// 403 for the object of a write, in upstream's words.
fn forbidden(write: &Attributes<'_>, object_name: &str, why: &str) -> ApiError {
    let name = if write.name.is_empty() { object_name } else { write.name };
    let name = if name.is_empty() { "Unknown" } else { name };
    ApiError::forbidden(write.resource, name, why)
}

/// A resource of the core group.
fn core(resource: &str) -> GroupResource {
    GroupResource::new("", resource)
}
