//! The row of a pod: what its containers add up to.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Row;
use super::tree::Tree;

/// What the container statuses tell.
#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

pub(super) fn pod(row: Row<'_>) -> Vec<Value> {
    let summary = summarize(row);
    let ready = format!("{}/{}", summary.ready, summary.total);
    let restarts = restarts(row, &summary);
    let or_none = |tree: Tree<'_>| Value::from(tree.text_or("<none>"));
    vec![
        row.name(),
        ready.into(),
        summary.reason.into(),
        restarts.into(),
        row.age(),
        or_none(row.at(&["status", "podIPs"]).nth(0).get("ip")),
        or_none(row.at(&["spec", "nodeName"])),
        or_none(row.at(&["status", "nominatedNodeName"])),
        readiness_gates(row).into(),
    ]
}

/// Marks rows of finished pods, so that clients can leave them out.
pub(super) fn conditions(pod: Tree<'_>) -> Option<Value> {
    let (reason, message) = match pod.at(&["status", "phase"]).text() {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{ "type": "Completed", "status": "True", "reason": reason, "message": message }]))
}

fn summarize(row: Row<'_>) -> Summary {
    let status = row.object.get("status");
    let mut summary = Summary { reason: overall(status), total: container_count(row), ..Summary::default() };
    let mut sidecars = Summary::default();
    let initializing = init_containers(row, &mut summary, &mut sidecars);
    if !initializing || status.get("conditions").condition_holds("Initialized") {
        summary.restarts = sidecars.restarts;
        summary.last_restart = sidecars.last_restart;
        containers(status, &mut summary);
    }
    if row.is_deleting() {
        let finished = matches!(status.get("phase").text(), "Succeeded" | "Failed");
        if status.get("reason").is("NodeLost") {
            "Unknown".clone_into(&mut summary.reason);
        } else if !finished {
            "Terminating".clone_into(&mut summary.reason);
        }
    }
    summary
}

/// The pod's own word, before its containers are asked.
fn overall(status: Tree<'_>) -> String {
    let gated = |c: Tree<'_>| c.get("type").is("PodScheduled") && c.get("reason").is("SchedulingGated");
    if status.get("conditions").list().any(gated) {
        return "SchedulingGated".to_owned();
    }
    status.get("reason").text_or(status.get("phase").text()).to_owned()
}

fn container_count(row: Row<'_>) -> usize {
    row.at(&["spec", "containers"]).len()
        + row.at(&["spec", "initContainers"]).list().filter(|c| is_sidecar(*c)).count()
}

fn is_sidecar(container: Tree<'_>) -> bool {
    container.get("restartPolicy").is("Always")
}

/// Walks the init containers up to the first that still has to finish. True if there is one.
fn init_containers(row: Row<'_>, summary: &mut Summary, sidecars: &mut Summary) -> bool {
    let specs = row.at(&["spec", "initContainers"]);
    for (index, status) in row.at(&["status", "initContainerStatuses"]).list().enumerate() {
        let name = status.get("name").text();
        let sidecar = specs.list().any(|spec| spec.get("name").is(name) && is_sidecar(spec));
        summary.count_restarts(status);
        if sidecar {
            sidecars.count_restarts(status);
        }
        let terminated = status.at(&["state", "terminated"]);
        if terminated.exists() && terminated.get("exitCode").int() == 0 {
            continue;
        }
        if sidecar && status.get("started").flag() {
            summary.ready += usize::from(status.get("ready").flag());
            continue;
        }
        summary.reason = init_reason(status, index, specs.len());
        return true;
    }
    false
}

fn init_reason(status: Tree<'_>, index: usize, total: usize) -> String {
    let terminated = status.at(&["state", "terminated"]);
    if terminated.exists() {
        return format!("Init:{}", exit_reason(terminated));
    }
    match status.at(&["state", "waiting", "reason"]).text() {
        "" | "PodInitializing" => format!("Init:{index}/{total}"),
        reason => format!("Init:{reason}"),
    }
}

fn exit_reason(terminated: Tree<'_>) -> String {
    match (terminated.get("reason").text(), terminated.get("signal").int()) {
        ("", 0) => format!("ExitCode:{}", terminated.get("exitCode").int()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Walks the containers from the last to the first, so that the first one's word stands.
fn containers(status: Tree<'_>, summary: &mut Summary) {
    let mut running = false;
    let mut failure = String::new();
    for container in status.get("containerStatuses").list().rev() {
        summary.count_restarts(container);
        let waiting = container.at(&["state", "waiting", "reason"]).text();
        let terminated = container.at(&["state", "terminated"]);
        if !waiting.is_empty() {
            waiting.clone_into(&mut summary.reason);
        } else if terminated.exists() {
            summary.reason = exit_reason(terminated);
            if terminated.get("exitCode").int() != 0 {
                failure.clone_from(&summary.reason);
            }
        } else if container.get("ready").flag() && container.at(&["state", "running"]).exists() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" {
        if running
            && status
                .get("conditions")
                .list()
                .any(|c| c.get("type").is("Ready") && c.get("status").is("True"))
        {
            "Running".clone_into(&mut summary.reason);
        } else if !failure.is_empty() {
            summary.reason = failure;
        } else if running {
            "NotReady".clone_into(&mut summary.reason);
        }
    }
}

impl Summary {
    fn count_restarts(&mut self, status: Tree<'_>) {
        self.restarts = self.restarts.saturating_add(status.get("restartCount").int());
        let finished = status.at(&["lastState", "terminated", "finishedAt"]).time();
        self.last_restart = self.last_restart.max(finished);
    }
}

fn restarts(row: Row<'_>, summary: &Summary) -> String {
    match summary.last_restart {
        Some(time) if summary.restarts != 0 => {
            let ago = super::human(row.now.as_nanosecond() - time.as_nanosecond());
            format!("{} ({ago} ago)", summary.restarts)
        }
        _ => summary.restarts.to_string(),
    }
}

fn readiness_gates(row: Row<'_>) -> String {
    let gates = row.at(&["spec", "readinessGates"]);
    if gates.len() == 0 {
        return "<none>".to_owned();
    }
    let conditions = row.at(&["status", "conditions"]);
    let open =
        gates.list().filter(|gate| conditions.condition_holds(gate.get("conditionType").text())).count();
    format!("{open}/{}", gates.len())
}
