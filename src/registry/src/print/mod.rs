//! Server-side tables: the columns of every kind and the cells of its rows.
//!
//! `columns` is a table of facts read once from `columns.tsv`; `cells` picks the kind's printer, a
//! pure function over the object's tree. A kind without a printer shows its name and creation time.

mod access;
mod admission;
mod batch;
mod cluster;
mod columns;
mod config;
mod duration;
mod events;
mod hpa;
mod identity;
mod network;
mod nodes;
mod pods;
mod selector;
mod storage;
#[cfg(test)]
mod tests;
mod tree;
mod workloads;

use jiff::Timestamp;
use serde_json::Value;

pub use columns::{Column, columns};
pub use duration::human;

use tree::Tree;

/// What a printer reads: the object and the time at which ages are told.
#[derive(Clone, Copy)]
struct Row<'a> {
    object: Tree<'a>,
    now: Timestamp,
}

type Printer = fn(Row<'_>) -> Vec<Value>;

/// The cells of one row, in the order of `columns`.
pub fn cells(group: &str, resource: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let row = Row { object: Tree::new(object), now };
    printer(group, resource)(row)
}

/// The `conditions` of a row, where the kind marks rows (finished pods).
pub fn conditions(group: &str, resource: &str, object: &Value) -> Option<Value> {
    (group.is_empty() && resource == "pods").then(|| pods::conditions(Tree::new(object))).flatten()
}

/// Whether a kind has no printer, and so shows its name and creation time.
pub fn has_no_printer(group: &str, resource: &str) -> bool {
    matches!(columns(group, resource), [_, created] if created.name == "Created At")
}

/// What the rows of a table are sorted by, beside the order of the list (flow schemas by precedence).
pub fn rank(group: &str, resource: &str, object: &Value) -> i64 {
    match (group, resource) {
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => config::precedence(Tree::new(object)),
        _ => 0,
    }
}

impl<'a> Row<'a> {
    fn at(self, path: &[&str]) -> Tree<'a> {
        self.object.at(path)
    }

    fn name(self) -> Value {
        self.at(&["metadata", "name"]).cell()
    }

    fn age(self) -> Value {
        self.since(self.at(&["metadata", "creationTimestamp"])).into()
    }

    fn is_deleting(self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).exists()
    }

    /// The time gone by since a timestamp, for people.
    fn since(self, time: Tree<'_>) -> String {
        match time.time() {
            Some(then) => human(self.now.as_nanosecond() - then.as_nanosecond()),
            None => "<unknown>".to_owned(),
        }
    }
}

/// Name and creation time: what a kind without a printer shows.
fn plain(row: Row<'_>) -> Vec<Value> {
    let created = row.at(&["metadata", "creationTimestamp"]).text_or("0001-01-01T00:00:00Z");
    vec![row.name(), created.into()]
}

fn name_and_age(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.age()]
}

fn printer(group: &str, resource: &str) -> Printer {
    match group {
        "" => core(resource),
        "apps" => apps(resource),
        "autoscaling" | "batch" | "policy" => batch::printer(resource),
        "networking.k8s.io" | "discovery.k8s.io" => network::printer(resource),
        "rbac.authorization.k8s.io" | "certificates.k8s.io" => access::printer(resource),
        "storage.k8s.io" => storage::printer(resource),
        "admissionregistration.k8s.io" => admission::printer(resource),
        "events.k8s.io" => events::event,
        "identity.portcullis.io" => identity::printer(resource),
        _ => config::printer(resource),
    }
}

fn core(resource: &str) -> Printer {
    match resource {
        "pods" => pods::pod,
        "nodes" => nodes::node,
        "events" => events::event,
        "services" => network::service,
        "endpoints" => network::endpoints,
        "persistentvolumes" => storage::persistent_volume,
        "persistentvolumeclaims" => storage::persistent_volume_claim,
        "replicationcontrollers" => workloads::replication_controller,
        "podtemplates" => workloads::pod_template,
        other => cluster::printer(other),
    }
}

fn apps(resource: &str) -> Printer {
    match resource {
        "deployments" => workloads::deployment,
        "statefulsets" => workloads::stateful_set,
        "daemonsets" => workloads::daemon_set,
        "replicasets" => workloads::replica_set,
        "controllerrevisions" => workloads::controller_revision,
        _ => plain,
    }
}
