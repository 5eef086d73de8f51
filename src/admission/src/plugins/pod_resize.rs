//! `PodResizeValidator`: a running pod grows no further than its node can bear.

use portcullis_api::quantity::Quantity;
use portcullis_api::{ApiError, Cause, Object, Result, Value};

use super::{core, forbidden};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::resources::{self, Half};

pub(super) struct PodResizeValidator;

impl Plugin for PodResizeValidator {
    fn name(&self) -> &'static str {
        "PodResizeValidator"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.operation == Operation::Update && write.subresource == "resize" && write.is_any_of("", "pods")
    }

    fn validate(&self, write: &Attributes<'_>, pod: Option<&Object>) -> Result<()> {
        let Some(pod) = pod else { return Ok(()) };
        let node = pod.str_at(&["spec", "nodeName"]);
        let same = write.old.is_none_or(|old| old.generation() == pod.generation());
        if node.is_empty() || same {
            return Ok(());
        }
        let Some(node) = write.reader.get(&core("nodes"), "", node) else {
            return Err(forbidden(write, pod.name(), &format!("node \"{node}\" not found")));
        };
        check_platform(write, pod, &node)?;
        check_room(write, pod, &node)
    }
}

fn check_platform(write: &Attributes<'_>, pod: &Object, node: &Object) -> Result<()> {
    match node.labels().find(|(key, _)| *key == "kubernetes.io/os") {
        Some((_, os)) if os != "linux" => {
            let name = node.name();
            let why = format!("pod resize is only supported on linux nodes, node \"{name}\" is \"{os}\"");
            Err(refuse(write, pod, &why, "UnsupportedPlatform"))
        }
        _ => Ok(()),
    }
}

fn check_room(write: &Attributes<'_>, pod: &Object, node: &Object) -> Result<()> {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mut asked = resources::of_pod(spec, Half::Requests);
    resources::add(&mut asked, &resources::read(spec.get("overhead")));
    let there = resources::read(node.at(&["status", "allocatable"]));
    let zero = Quantity::ZERO;
    let pair = |name: &str| (asked.get(name).unwrap_or(&zero), there.get(name).unwrap_or(&zero));
    let mut lacking = Vec::new();
    let (asks, has) = pair("cpu");
    if asks > has {
        let (asks, has) = (asks.milli_value(), has.milli_value());
        lacking.push(format!("cpu, requested: {asks}, allocatable: {has}"));
    }
    let (asks, has) = pair("memory");
    if asks > has {
        lacking.push(format!("memory, requested: {}, allocatable: {}", asks.value(), has.value()));
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let why = format!("node didn't have enough allocatable resources: {}", lacking.join("; "));
    Err(refuse(write, pod, &why, "NodeCapacity"))
}

fn refuse(write: &Attributes<'_>, pod: &Object, why: &str, reason: &str) -> ApiError {
    let cause = Cause { reason: reason.to_owned(), ..Cause::default() };
    forbidden(write, pod.name(), why).with_causes(vec![cause])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Judged, Write};

    fn pod(generation: i64, cpu: &str) -> Value {
        json!({
            "metadata": { "name": "p", "namespace": "default", "generation": generation },
            "spec": { "nodeName": "n1", "containers": [{ "resources": { "requests": { "cpu": cpu } } }] },
        })
    }

    fn resize(os: &str, cpu: &str) -> Judged {
        let node = json!({
            "metadata": { "name": "n1", "labels": { "kubernetes.io/os": os } },
            "status": { "allocatable": { "cpu": "2", "memory": "1Gi" } },
        });
        let mut write = Write::pod().change(pod(1, "1"));
        write.subresource = "resize";
        write.judge(PodResizeValidator, &Cluster::default().with("nodes", node), pod(2, cpu))
    }

    #[test]
    fn a_pod_stays_within_its_linux_node() {
        resize("linux", "2").admitted();
        assert_eq!(
            resize("linux", "2500m").refused(),
            "pods \"p\" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: \
             2000"
        );
        assert_eq!(
            resize("windows", "1").refused(),
            "pods \"p\" is forbidden: pod resize is only supported on linux nodes, node \"n1\" is \"windows\""
        );
    }
}
