//! The garbage collector: what is owned goes when all of its owners are gone.
//!
//! ```text
//! everything -> graph: who owns whom -> jobs
//! collector     a job: the object and its owners are asked for anew, then
//!                 every owner is gone                   -> deleted
//!                 some are gone, or wait for it         -> their references are removed
//!                 its owner waits for its dependents    -> deleted, itself in the foreground if it has any
//!                 it waits, and nothing blocks it       -> its finalizer is removed
//!                 it is to orphan its dependents        -> their references, then its finalizer
//! ```
//!
//! The graph only says where to look. Nothing is deleted but after the server said, of every owner the
//! object names, that there is none of that kind, name and UID where the object could have it.

mod collector;
mod graph;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use parking_lot::Mutex;
use portcullis_client::Queue;

use crate::everything::{Everything, Kind, Listener};
use collector::Collector;
use graph::{Graph, Item, Job};

const AT_A_TIME: usize = 10;

/// What was seen, and what is to be looked at for it.
pub(crate) struct Garbage {
    graph: Mutex<Graph>,
    queue: Arc<Queue<Job>>,
}

impl Garbage {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { graph: Mutex::default(), queue: Queue::new() })
    }

    /// Collects for ever.
    pub(crate) async fn run(self: Arc<Self>, everything: Arc<Everything>, client: Client) {
        everything.synced().await;
        let collector = Collector { client, seen: self.clone(), everything };
        self.queue.work(AT_A_TIME, |job| collector.look(job)).await;
    }

    fn change(&self, change: impl FnOnce(&mut Graph) -> BTreeSet<Job>) {
        let jobs = change(&mut self.graph.lock());
        jobs.into_iter().for_each(|job| self.queue.add(job));
    }
}

impl Listener for Garbage {
    fn seen(&self, kind: &Kind, metadata: &ObjectMeta) {
        if let Some(item) = Item::seen(kind, metadata) {
            self.change(|graph| graph.observe(item));
        }
    }

    fn gone(&self, _kind: &Kind, metadata: &ObjectMeta) {
        if let Some(uid) = &metadata.uid {
            self.change(|graph| graph.forget(uid));
        }
    }

    fn listed(&self, kind: &Kind, uids: &HashSet<String>) {
        self.change(|graph| graph.forget_all_but(kind, uids));
    }
}
