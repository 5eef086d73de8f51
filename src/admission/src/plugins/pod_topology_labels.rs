//! `PodTopologyLabels`: a pod that is given to a node carries the node's zone and region.

use portcullis_api::{Object, Result};

use super::core;
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub(super) struct PodTopologyLabels;

impl Plugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let concerned = matches!(write.subresource, "" | "binding") && write.is_any_of("", "pods");
        concerned && write.operation == Operation::Create
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        let name = match write.subresource {
            "binding" if object.str_at(&["target", "kind"]) == "Node" => object.str_at(&["target", "name"]),
            "" => object.str_at(&["spec", "nodeName"]),
            _ => "",
        };
        if name.is_empty() {
            return Ok(());
        }
        let Some(node) = write.reader.get(&core("nodes"), "", name) else { return Ok(()) };
        for (key, value) in node.labels().filter(|(key, _)| LABELS.contains(key)) {
            object.set_at(&["metadata", "labels", key], value.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Write};

    #[test]
    fn pods_and_bindings_take_the_labels_of_their_node() {
        let node = json!({ "metadata": { "name": "n1", "labels": { LABELS[0]: "z", "kubernetes.io/os": "linux" } } });
        let cluster = Cluster::default().with("nodes", node);
        let judge = |subresource, object| {
            Write { subresource, ..Write::pod() }.judge(PodTopologyLabels, &cluster, object)
        };
        let labels = |object: Object| object.at(&["metadata", "labels"]).cloned();
        let pod = |node: &str| json!({ "metadata": { "labels": { LABELS[0]: "mine" } }, "spec": { "nodeName": node } });
        assert_eq!(labels(judge("", pod("n1")).admitted()), Some(json!({ LABELS[0]: "z" })));
        assert_eq!(labels(judge("", pod("gone")).admitted()), Some(json!({ LABELS[0]: "mine" })));
        let binding = |kind: &str| json!({ "metadata": {}, "target": { "kind": kind, "name": "n1" } });
        assert_eq!(labels(judge("binding", binding("Node")).admitted()), Some(json!({ LABELS[0]: "z" })));
        assert_eq!(labels(judge("binding", binding("")).admitted()), None);
    }
}
