//! `NodeRestriction`: a node writes itself and what belongs to it, nothing else.
//!
//! The Node authorizer decides by names; here is what needs the object: a node's pods, its own labels
//! and taints, the tokens it asks for. A file per kind of object.

mod claims;
mod node;
mod pods;
#[cfg(test)]
mod tests;
mod tokens;

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Object, Result};

use super::{forbidden, request_subject, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::tree::text;

/// Leases of nodes live here.
const LEASES: &str = "kube-node-lease";

pub(super) struct NodeRestriction;

impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.operation != Operation::Connect && write.user.node().is_some()
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        NodeWrite::of(write, Some(object)).map_or(Ok(()), |it| it.judge())
    }

    fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        if write.operation != Operation::Delete {
            return Ok(());
        }
        NodeWrite::of(write, object).map_or(Ok(()), |it| it.judge())
    }
}

/// A write by a node.
struct NodeWrite<'a> {
    node: &'a str,
    write: &'a Attributes<'a>,
    object: Option<&'a Object>,
}

impl<'a> NodeWrite<'a> {
    fn of(write: &'a Attributes<'a>, object: Option<&'a Object>) -> Option<Self> {
        Some(Self { node: write.user.node()?, write, object })
    }

    fn judge(&self) -> Result<()> {
        if self.node.is_empty() {
            let user = go_quote(&self.write.user.name);
            return Err(self.refuse(&format!("could not determine node from user {user}")));
        }
        let group = &*self.write.resource.group;
        match (group, &*self.write.resource.resource, self.write.subresource) {
            ("", "pods", subresource) => self.judge_pod(subresource),
            ("", "nodes", _) => self.judge_node(),
            ("", "persistentvolumeclaims", "status") => self.judge_claim_status(),
            ("", "persistentvolumeclaims", _) => Err(self.refuse("may only update PVC status")),
            ("", "serviceaccounts", "token") => self.judge_token(),
            ("coordination.k8s.io", "leases", _) => self.judge_lease(),
            ("storage.k8s.io", "csinodes", _) => {
                self.must_be_itself("can only access CSINode with the same name as the requesting node")
            }
            ("resource.k8s.io", "resourceslices", _) => self.judge_slice(),
            ("certificates.k8s.io", "certificatesigningrequests", _) => self.judge_request(),
            // Certificates for pods are not given out.
            ("certificates.k8s.io", "podcertificaterequests", _) => {
                Err(self.refuse("PodCertificateRequest feature gate is disabled"))
            }
            _ => Ok(()),
        }
    }

    fn judge_lease(&self) -> Result<()> {
        if self.write.namespace != LEASES {
            let why = format!("can only access leases in the \"{LEASES}\" system namespace");
            return Err(self.refuse(&why));
        }
        self.must_be_itself("can only access node lease with the same name as the requesting node")
    }

    /// The object must have the node's own name.
    fn must_be_itself(&self, otherwise: &str) -> Result<()> {
        let name = match self.operation() {
            Operation::Create => self.object.map_or("", Object::name),
            _ => self.write.name,
        };
        if name == self.node { Ok(()) } else { Err(self.refuse(otherwise)) }
    }

    fn judge_slice(&self) -> Result<()> {
        let (slice, verb) = match self.operation() {
            Operation::Create => (self.object, "create"),
            Operation::Delete => (self.write.old, "delete"),
            _ => return Ok(()),
        };
        if slice.is_some_and(|slice| slice.str_at(&["spec", "nodeName"]) == self.node) {
            return Ok(());
        }
        let why = format!("can only {verb} ResourceSlice with the same NodeName as the requesting node");
        Err(self.refuse(&why))
    }

    fn judge_request(&self) -> Result<()> {
        let Some(request) = self.object.filter(|_| self.operation() == Operation::Create) else {
            return Ok(());
        };
        let signer = request.str_at(&["spec", "signerName"]);
        let for_nodes = ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];
        if !for_nodes.contains(&signer) {
            return Ok(());
        }
        let subject =
            request_subject(request).map_err(|why| self.refuse(&format!("unable to parse csr: {why}")))?;
        let wanted = format!("system:node:{}", self.node);
        if subject.common_name == wanted {
            return Ok(());
        }
        Err(self.refuse(&format!("can only create a node CSR with CN={wanted}")))
    }

    fn operation(&self) -> Operation {
        self.write.operation
    }

    fn unexpected(&self) -> ApiError {
        self.refuse(&format!("unexpected operation \"{}\"", self.operation().as_str()))
    }

    fn refuse(&self, why: &str) -> ApiError {
        forbidden(self.write, self.object.map_or("", shown_name), why)
    }

    fn quoted(&self) -> String {
        go_quote(self.node)
    }

    /// Whether a stored pod runs on this node.
    fn runs(&self, pod: &Object) -> bool {
        pod.at(&["spec"]).is_some_and(|spec| text(spec, "nodeName") == self.node)
    }
}
