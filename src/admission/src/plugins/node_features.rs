//! `NodeDeclaredFeatureValidator`: a running pod is changed only in ways its node says it can follow.

use portcullis_api::{Object, Result, Value};

use super::{core, forbidden};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::tree::{items, text};

const POD_RESOURCES: &str = "InPlacePodLevelResourcesVerticalScaling";
const INIT_RESOURCES: &str = "InPlacePodVerticalScalingInitContainers";

pub(super) struct NodeDeclaredFeatures;

impl Plugin for NodeDeclaredFeatures {
    fn name(&self) -> &'static str {
        "NodeDeclaredFeatureValidator"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let concerned = matches!(write.subresource, "" | "resize") && write.is_any_of("", "pods");
        concerned && write.operation == Operation::Update
    }

    fn validate(&self, write: &Attributes<'_>, pod: Option<&Object>) -> Result<()> {
        let (Some(new), Some(old)) = (pod, write.old) else { return Ok(()) };
        let name = new.str_at(&["spec", "nodeName"]);
        if name.is_empty() || new.generation() == old.generation() {
            return Ok(());
        }
        let needed = needed(new, old);
        if needed.is_empty() {
            return Ok(());
        }
        let Some(node) = write.reader.get(&core("nodes"), "", name) else {
            return Err(forbidden(write, new.name(), &format!("node \"{name}\" not found")));
        };
        let declared = node.at(&["status", "declaredFeatures"]).and_then(Value::as_array);
        let has =
            |feature: &str| declared.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(feature)));
        let lacking: Vec<&str> = needed.into_iter().filter(|feature| !has(feature)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let lacking = lacking.join(", ");
        let why =
            format!("pod update requires features {lacking} which are not available on node \"{name}\"");
        Err(forbidden(write, new.name(), &why))
    }
}

/// The features of a node that following a change takes.
fn needed(new: &Object, old: &Object) -> Vec<&'static str> {
    let spec = |pod| Object::get(pod, "spec").unwrap_or(&Value::Null);
    let mut features = Vec::new();
    if spec(new).get("resources") != spec(old).get("resources") {
        features.push(POD_RESOURCES);
    }
    let pairs = items(spec(old), "initContainers").iter().zip(items(spec(new), "initContainers"));
    let mut starting = pairs.filter(|(old, _)| text(old, "restartPolicy") != "Always");
    if starting.any(|(old, new)| old.get("resources") != new.get("resources")) {
        features.push(INIT_RESOURCES);
    }
    features
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Judged, Write};

    fn pod(generation: i64, cpu: &str) -> Value {
        json!({
            "metadata": { "name": "p", "namespace": "default", "generation": generation },
            "spec": { "nodeName": "n1", "resources": { "limits": { "cpu": cpu } } },
        })
    }

    fn resize(declared: &[&str], cpu: &str) -> Judged {
        let node = json!({ "metadata": { "name": "n1" }, "status": { "declaredFeatures": declared } });
        let write = Write { subresource: "resize", ..Write::pod().change(pod(1, "1")) };
        write.judge(NodeDeclaredFeatures, &Cluster::default().with("nodes", node), pod(2, cpu))
    }

    #[test]
    fn a_node_must_declare_what_a_change_takes() {
        resize(&[], "1").admitted();
        resize(&[POD_RESOURCES], "2").admitted();
        assert_eq!(
            resize(&["Other"], "2").refused(),
            format!(
                "pods \"p\" is forbidden: pod update requires features {POD_RESOURCES} which are not available on node \
                 \"n1\""
            )
        );
    }
}
