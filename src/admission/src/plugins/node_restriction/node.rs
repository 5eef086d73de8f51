//! The node's own object: its labels, taints and owners are not for the node to choose.

use std::collections::BTreeSet;

use portcullis_api::{Object, Result};

use super::NodeWrite;
use crate::attributes::Operation;
use portcullis_api::tree::owners;

/// Labels in Kubernetes' namespaces that a node may set on itself.
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// Namespaces of labels (and all below them) that a node may set on itself.
const OWN_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED_NAMESPACE: &str = "node-restriction.kubernetes.io";

impl NodeWrite<'_> {
    pub(super) fn judge_node(&self) -> Result<()> {
        if self.write.name != self.node {
            let why = format!("node {} is not allowed to modify node \"{}\"", self.quoted(), self.write.name);
            return Err(self.refuse(&why));
        }
        match (self.operation(), self.object) {
            (Operation::Create, Some(node)) => self.judge_new_node(node),
            (Operation::Update, Some(node)) => self.judge_changed_node(node),
            (Operation::Create | Operation::Update, None) => Err(self.unexpected()),
            _ => Ok(()),
        }
    }

    fn judge_new_node(&self, node: &Object) -> Result<()> {
        if node.at(&["spec", "configSource"]).is_some() {
            let why =
                format!("node {} is not allowed to create pods with a non-nil configSource", self.quoted());
            return Err(self.refuse(&why));
        }
        let labels = forbidden_labels(node, None);
        if labels.is_empty() {
            return Ok(());
        }
        let why =
            format!("node {} is not allowed to set the following labels: {}", self.quoted(), listed(&labels));
        Err(self.refuse(&why))
    }

    fn judge_changed_node(&self, node: &Object) -> Result<()> {
        let Some(old) = self.write.old else { return Err(self.unexpected()) };
        let refuse =
            |rest: &str| Err(self.refuse(&format!("node {} is not allowed to {rest}", self.quoted())));
        let source = node.at(&["spec", "configSource"]);
        if source.is_some() && source != old.at(&["spec", "configSource"]) {
            return refuse("update configSource to a new non-nil configSource");
        }
        if node.at(&["spec", "taints"]) != old.at(&["spec", "taints"]) {
            return refuse("modify taints");
        }
        if owners(node) != owners(old) {
            return refuse("modify ownerReferences");
        }
        let labels = forbidden_labels(node, Some(old));
        if labels.is_empty() {
            return Ok(());
        }
        Err(self.refuse(&format!("is not allowed to modify labels: {}", listed(&labels))))
    }
}

/// The labels that differ between two states and are not the node's to change.
fn forbidden_labels<'a>(new: &'a Object, old: Option<&'a Object>) -> BTreeSet<&'a str> {
    let new: BTreeSet<_> = new.labels().collect();
    let old: BTreeSet<_> = old.into_iter().flat_map(Object::labels).collect();
    new.symmetric_difference(&old).map(|(key, _)| *key).filter(|key| !may_set(key)).collect()
}

fn may_set(label: &str) -> bool {
    let Some((namespace, _)) = label.split_once('/') else { return true };
    if is_within(namespace, RESTRICTED_NAMESPACE) {
        return false;
    }
    let is_ours = is_within(namespace, "kubernetes.io") || is_within(namespace, "k8s.io");
    !is_ours || OWN_LABELS.contains(&label) || OWN_NAMESPACES.iter().any(|own| is_within(namespace, own))
}

fn is_within(namespace: &str, parent: &str) -> bool {
    namespace.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn listed(labels: &BTreeSet<&str>) -> String {
    labels.iter().copied().collect::<Vec<_>>().join(", ")
}
