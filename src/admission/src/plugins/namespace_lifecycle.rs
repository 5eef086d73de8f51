//! `NamespaceLifecycle`: nothing new in a namespace that is missing or going, and some namespaces stay.

use portcullis_api::{ApiError, Cause, GroupResource, Object, Result};

use super::{core, forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) struct NamespaceLifecycle;

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let is_review = &*write.resource.group == "authorization.k8s.io";
        !is_review && (write.is_any_of("", "namespaces") || !write.namespace.is_empty())
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        if write.is_any_of("", "namespaces") || write.operation == Operation::Delete {
            return Ok(());
        }
        let namespaces = core("namespaces");
        let Some(namespace) = write.reader.get(&namespaces, "", write.namespace) else {
            return Err(ApiError::not_found(&namespaces, write.namespace));
        };
        if write.operation != Operation::Create || namespace.str_at(&["status", "phase"]) != "Terminating" {
            return Ok(());
        }
        Err(because_terminating(write.namespace, |why| forbidden(write, shown_name(object), why)))
    }

    fn validate(&self, write: &Attributes<'_>, _: Option<&Object>) -> Result<()> {
        let deletes = write.operation == Operation::Delete && write.is("", "namespaces");
        if deletes && IMMORTAL.contains(&write.name) {
            return Err(forbidden(write, "", "this namespace may not be deleted"));
        }
        Ok(())
    }
}

/// 403 for new content in a namespace that is going: also for a create that was admitted before the
/// namespace began to go and is committed after.
pub fn terminating(resource: &GroupResource, namespace: &str, name: &str) -> ApiError {
    because_terminating(namespace, |why| ApiError::forbidden(resource, name, why))
}

fn because_terminating(namespace: &str, refuse: impl FnOnce(&str) -> ApiError) -> ApiError {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    refuse(&why).with_causes(vec![Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    }])
}
