//! `NamespaceLifecycle`: nothing new in a namespace that is missing or going, and some namespaces stay.

use portcullis_api::{ApiError, Cause, Object, Result};

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
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            write.namespace
        );
        Err(forbidden(write, shown_name(object), &why).with_causes(vec![Cause {
            reason: "NamespaceTerminating".into(),
            message: format!("namespace {} is being terminated", write.namespace),
            field: "metadata.namespace".into(),
        }]))
    }

    fn validate(&self, write: &Attributes<'_>, _: Option<&Object>) -> Result<()> {
        let deletes = write.operation == Operation::Delete && write.is("", "namespaces");
        if deletes && IMMORTAL.contains(&write.name) {
            return Err(forbidden(write, "", "this namespace may not be deleted"));
        }
        Ok(())
    }
}
