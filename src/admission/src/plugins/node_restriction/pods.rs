//! A node's pods: mirror pods it makes and deletes, the status of pods that run on it.

use std::sync::Arc;

use portcullis_api::{ApiError, GroupResource, Object, Result, Value};

use super::NodeWrite;
use crate::attributes::Operation;
use crate::plugins::{core, pod_references};
use portcullis_api::tree::{flag, owners, text};

const MIRROR: &str = "kubernetes.io/config.mirror";

impl NodeWrite<'_> {
    pub(super) fn judge_pod(&self, subresource: &str) -> Result<()> {
        match (subresource, self.operation()) {
            ("", Operation::Create) => self.judge_mirror(),
            ("", Operation::Delete) => self.judge_deletion(),
            ("", operation) => Err(self.refuse(&format!(
                "unexpected operation \"{}\", node {} can only create and delete mirror pods",
                operation.as_str(),
                self.quoted()
            ))),
            ("status", Operation::Update) => self.judge_pod_status(),
            ("status", _) => Err(self.unexpected()),
            // The deletion that an eviction comes to is judged as the eviction.
            ("eviction", Operation::Create | Operation::Delete) => self.judge_eviction(),
            ("eviction", operation) => {
                Err(self.refuse(&format!("unexpected operation {}", operation.as_str())))
            }
            (other, _) => Err(self.refuse(&format!(
                "unexpected pod subresource \"{other}\", only 'status' and 'eviction' are allowed"
            ))),
        }
    }

    fn judge_mirror(&self) -> Result<()> {
        let Some(pod) = self.object else { return Err(self.unexpected()) };
        let node = self.quoted();
        if !pod.annotations().any(|(key, _)| key == MIRROR) {
            let why =
                format!("pod does not have \"{MIRROR}\" annotation, node {node} can only create mirror pods");
            return Err(self.refuse(&why));
        }
        if !self.runs(pod) {
            let why = format!("node {node} can only create pods with spec.nodeName set to itself");
            return Err(self.refuse(&why));
        }
        self.judge_owner(pod)?;
        let spec = pod.get("spec").unwrap_or(&Value::Null);
        match pod_references::first(spec) {
            Ok(None) => Ok(()),
            Ok(Some(what)) => {
                Err(self.refuse(&format!("node {node} can not create pods that reference {what}")))
            }
            Err(why) => Err(self.refuse(&format!("error checking mirror pod for API references: {why}"))),
        }
    }

    /// The pod's one owner must be this very node.
    fn judge_owner(&self, pod: &Object) -> Result<()> {
        let refuse = |rest: &str| Err(self.refuse(&format!("node {} {rest}", self.quoted())));
        let owner = match owners(pod) {
            [] => return refuse("can only create pods with an owner reference set to itself"),
            [owner] => owner,
            _ => return refuse("can only create pods with a single owner reference set to itself"),
        };
        let named = (text(owner, "apiVersion"), text(owner, "kind"), text(owner, "name"));
        if named != ("v1", "Node", self.node) {
            return refuse("can only create pods with an owner reference set to itself");
        }
        if flag(owner, &["controller"]) != Some(true) {
            return refuse("can only create pods with a controller owner reference set to itself");
        }
        if flag(owner, &["blockOwnerDeletion"]) == Some(true) {
            return refuse("must not set blockOwnerDeletion on an owner reference");
        }
        let Some(node) = self.write.reader.get(&core("nodes"), "", self.node) else {
            return Err(ApiError::not_found(&core("node"), self.node));
        };
        let given = text(owner, "uid");
        if given == node.uid() {
            return Ok(());
        }
        let why = format!("node {} UID mismatch: expected {given} got {}", self.node, node.uid());
        Err(self.refuse(&why))
    }

    fn judge_deletion(&self) -> Result<()> {
        if self.runs(&*self.stored_pod(self.write.name)?) {
            return Ok(());
        }
        let why = format!("node {} can only delete pods with spec.nodeName set to itself", self.quoted());
        Err(self.refuse(&why))
    }

    fn judge_pod_status(&self) -> Result<()> {
        let (Some(new), Some(old)) = (self.object, self.write.old) else { return Err(self.unexpected()) };
        let node = self.quoted();
        let why = if !self.runs(old) {
            format!("node {node} can only update pod status for pods with spec.nodeName set to itself")
        } else if new.at(&["metadata", "labels"]) != old.at(&["metadata", "labels"]) {
            format!("node {node} cannot update labels through pod status")
        } else if status(new, "resourceClaimStatuses") != status(old, "resourceClaimStatuses") {
            format!("node {node} cannot update resource claim statues")
        } else if status(new, "extendedResourceClaimStatus") != status(old, "extendedResourceClaimStatus") {
            format!("node {node} cannot update extended resource claim status")
        } else {
            return Ok(());
        };
        Err(self.refuse(&why))
    }

    fn judge_eviction(&self) -> Result<()> {
        let name = match self.write.name {
            "" => self.object.map_or("", Object::name),
            name => name,
        };
        if name.is_empty() {
            return Err(self.refuse("could not determine pod from request data"));
        }
        if self.runs(&*self.stored_pod(name)?) {
            return Ok(());
        }
        let why = format!("node {} can only evict pods with spec.nodeName set to itself", self.node);
        Err(self.refuse(&why))
    }

    /// A pod of the request's namespace, or the refusal when there is none.
    pub(super) fn stored_pod(&self, name: &str) -> Result<Arc<Object>> {
        let pod = self.write.reader.get(&core("pods"), self.write.namespace, name);
        pod.ok_or_else(|| ApiError::not_found(&GroupResource::new("", "pod"), name))
    }
}

fn status<'a>(pod: &'a Object, field: &str) -> Option<&'a Value> {
    pod.at(&["status", field])
}
