//! The garbage collector: what is owned goes when all of its owners are gone.
//!
//! ```text
//! kinds      what the server serves, asked again every half minute
//! monitors   a watch of every kind's metadata        -> graph: who owns whom -> jobs
//! collector  a job: the object and its owners are asked for anew, then
//!              every owner is gone                   -> deleted
//!              some are gone, or wait for it         -> their references are removed
//!              its owner waits for its dependents    -> deleted, itself in the foreground if it has any
//!              it waits, and nothing blocks it       -> its finalizer is removed
//!              it is to orphan its dependents        -> their references, then its finalizer
//! ```
//!
//! The graph only says where to look. Nothing is deleted but after the server said, of every owner the
//! object names, that there is none of that kind, name and UID where the object could have it.

mod collector;
mod graph;
mod kinds;
mod monitors;

use std::time::Duration;

use kube::Client;

use collector::Collector;
use monitors::{Monitors, Seen};

const AT_A_TIME: usize = 10;
/// How long the first look waits for kinds that cannot be listed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Collects for ever; `manager` reads, `client` looks anew and deletes.
pub(crate) async fn run(manager: Client, client: Client) {
    let seen = Seen::new();
    let mut monitors = Monitors::new(manager, seen.clone());
    monitors.refresh().await;
    if tokio::time::timeout(PATIENCE, monitors.synced()).await.is_err() {
        tracing::warn!("Garbage is collected though not every kind could be listed");
    }
    let collector = Collector::new(client, seen.clone());
    tokio::select! {
        () = monitors.keep_up() => {}
        () = seen.queue.work(AT_A_TIME, |job| collector.look(job)) => {}
    }
}
