//! The rows of kinds that hold a pod template.

use portcullis_api::GroupVersion;
use serde_json::Value;

use super::Row;
use super::selector::{expression, label_selector, labels};
use super::tree::{Tree, joined};

const POD_SPEC: [&str; 3] = ["spec", "template", "spec"];

pub(super) fn deployment(row: Row<'_>) -> Vec<Value> {
    let mut cells = vec![
        row.name(),
        ratio(row).into(),
        row.at(&["status", "updatedReplicas"]).count(),
        row.at(&["status", "availableReplicas"]).count(),
        row.age(),
    ];
    cells.extend(containers(row.at(&POD_SPEC)));
    cells.push(expression(row.at(&["spec", "selector"])).unwrap_or_else(|| "<invalid>".to_owned()).into());
    cells
}

pub(super) fn stateful_set(row: Row<'_>) -> Vec<Value> {
    let mut cells = vec![row.name(), ratio(row).into(), row.age()];
    cells.extend(containers(row.at(&POD_SPEC)));
    cells
}

pub(super) fn replica_set(row: Row<'_>) -> Vec<Value> {
    let mut cells = replicas(row);
    cells.push(label_selector(row.at(&["spec", "selector"])).into());
    cells
}

pub(super) fn replication_controller(row: Row<'_>) -> Vec<Value> {
    let mut cells = replicas(row);
    cells.push(labels(row.at(&["spec", "selector"])).into());
    cells
}

pub(super) fn daemon_set(row: Row<'_>) -> Vec<Value> {
    let status = row.object.get("status");
    let mut cells = vec![
        row.name(),
        status.get("desiredNumberScheduled").count(),
        status.get("currentNumberScheduled").count(),
        status.get("numberReady").count(),
        status.get("updatedNumberScheduled").count(),
        status.get("numberAvailable").count(),
        labels(row.at(&["spec", "template", "spec", "nodeSelector"])).into(),
        row.age(),
    ];
    cells.extend(containers(row.at(&POD_SPEC)));
    cells.push(label_selector(row.at(&["spec", "selector"])).into());
    cells
}

pub(super) fn pod_template(row: Row<'_>) -> Vec<Value> {
    let [names, images] = containers(row.at(&["template", "spec"]));
    vec![row.name(), names, images, labels(row.at(&["template", "metadata", "labels"])).into()]
}

pub(super) fn controller_revision(row: Row<'_>) -> Vec<Value> {
    let owners = row.at(&["metadata", "ownerReferences"]);
    let controller = owners.list().find(|owner| owner.get("controller").flag());
    let controller = controller.map_or_else(|| "<none>".to_owned(), owner_name);
    vec![row.name(), controller.into(), row.object.get("revision").count(), row.age()]
}

/// The names and the images of a pod spec's containers.
pub(super) fn containers(pod_spec: Tree<'_>) -> [Value; 2] {
    let containers = pod_spec.get("containers").list();
    ["name", "image"].map(|field| joined(containers.clone().map(|c| c.get(field).text()), ",").into())
}

fn ratio(row: Row<'_>) -> String {
    format!("{}/{}", row.at(&["status", "readyReplicas"]).int(), row.at(&["spec", "replicas"]).int())
}

fn replicas(row: Row<'_>) -> Vec<Value> {
    let mut cells = vec![
        row.name(),
        row.at(&["spec", "replicas"]).count(),
        row.at(&["status", "replicas"]).count(),
        row.at(&["status", "readyReplicas"]).count(),
        row.age(),
    ];
    cells.extend(containers(row.at(&POD_SPEC)));
    cells
}

fn owner_name(owner: Tree<'_>) -> String {
    let (kind, name) = (owner.get("kind").text(), owner.get("name").text());
    let group = GroupVersion::parse(owner.get("apiVersion").text()).map(|gv| gv.group).unwrap_or_default();
    let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    if kind.is_empty() { name.to_owned() } else { format!("{}/{name}", kind.to_lowercase()) }
}
