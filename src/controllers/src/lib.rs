//! What keeps a cluster's objects in order, each part under its own identity, all through the API.
//!
//! ```text
//! namespace                  empties a namespace that is to go, then lets it go
//! service_account            a default service account in every namespace
//! root_ca                    the authority's certificate in every namespace
//! cluster_role_aggregation   the rules of roles that are made of others
//! everything                 the metadata of all objects, for those who listen to it:
//! garbage                    deletes what is owned when its owners are gone
//! quota                      counts what quotas say is used
//! supervise                  starts a part again when it fails
//! elect                      lets one server of several run them
//! ```
//!
//! All parts read from informers that they share, under the manager's identity, and write as their own
//! service account in `kube-system`, as upstream's controller manager does.

mod cluster_role_aggregation;
mod discovery;
mod elect;
mod error;
mod everything;
mod garbage;
mod informers;
mod namespace;
mod quota;
mod root_ca;
mod service_account;
mod supervise;

use std::fmt;
use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;

use crate::error::Error;
use crate::everything::Everything;
use crate::garbage::Garbage;
use crate::informers::Informers;
use crate::quota::Quotas;
use crate::supervise::Supervisor;

/// What controllers call themselves; field ownership is recorded under the part before the slash.
pub const USER_AGENT: &str = concat!("kube-controller-manager/", env!("CARGO_PKG_VERSION"), " (portcullis)");

pub use elect::Turns;

/// Under whose names the controllers speak to the server.
#[derive(Clone)]
pub struct Clients {
    manager: Client,
    namespace: Client,
    service_account: Client,
    root_ca: Client,
    cluster_role_aggregation: Client,
    garbage: Client,
    quota: Client,
}

impl Clients {
    /// `manager` reads, as user `system:kube-controller-manager`; `account` makes a client for a service
    /// account of namespace `kube-system`, which is given by name.
    ///
    /// # Errors
    /// The first that `account` answers.
    pub fn new<E>(manager: Client, account: impl Fn(&str) -> Result<Client, E>) -> Result<Self, E> {
        Ok(Self {
            manager,
            namespace: account("namespace-controller")?,
            service_account: account("service-account-controller")?,
            root_ca: account("root-ca-cert-publisher")?,
            cluster_role_aggregation: account("clusterrole-aggregation-controller")?,
            garbage: account("generic-garbage-collector")?,
            quota: account("resourcequota-controller")?,
        })
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// Runs all controllers until told to stop. A part that fails is started again and takes nothing else
/// with it.
pub async fn run(clients: Clients, root_ca_pem: String, stop: watch::Receiver<bool>) {
    let informers = Arc::new(Informers::new());
    let mut supervisor = Supervisor::new(stop);
    informers.start(&mut supervisor, &clients.manager);
    furnish(&mut supervisor, &informers, &clients, root_ca_pem.into());
    watch_everything(&mut supervisor, &informers, clients);
    supervisor.stopped().await;
}

/// Runs all controllers whenever this server, which is named `me`, holds their lease, until told to stop.
pub async fn run_in_turns(
    clients: Clients,
    root_ca_pem: String,
    me: String,
    turns: Turns,
    stop: watch::Receiver<bool>,
) {
    let candidate = elect::Candidate::new(clients.manager.clone(), me, turns);
    elect::in_turns(candidate, stop, move |end| run(clients.clone(), root_ca_pem.clone(), end)).await;
}

/// The parts that see to namespaces and roles.
fn furnish(
    supervisor: &mut Supervisor,
    informers: &Arc<Informers>,
    clients: &Clients,
    root_ca_pem: Arc<str>,
) {
    let (shared, client) = (informers.clone(), clients.namespace.clone());
    supervisor.keep("namespace", move || namespace::run(shared.clone(), client.clone()));
    let (shared, client) = (informers.clone(), clients.service_account.clone());
    supervisor.keep("serviceaccount", move || service_account::run(shared.clone(), client.clone()));
    let (shared, client) = (informers.clone(), clients.root_ca.clone());
    supervisor.keep("root-ca-certificate-publisher", move || {
        root_ca::run(shared.clone(), client.clone(), root_ca_pem.clone())
    });
    let (shared, client) = (informers.clone(), clients.cluster_role_aggregation.clone());
    supervisor.keep("clusterrole-aggregation", move || {
        cluster_role_aggregation::run(shared.clone(), client.clone())
    });
}

/// The parts that are concerned with objects of every kind.
fn watch_everything(supervisor: &mut Supervisor, informers: &Informers, clients: Clients) {
    let Clients { manager, garbage: collects, quota: counts, .. } = clients;
    let (garbage, quotas) = (Garbage::new(), Quotas::new(informers.quotas.clone()));
    let everything = Everything::new(vec![garbage.clone(), quotas.clone()]);
    let all = everything.clone();
    supervisor.keep("metadata", move || all.clone().run(manager.clone()));
    let all = everything.clone();
    supervisor.keep("garbage-collector", move || garbage.clone().run(all.clone(), collects.clone()));
    supervisor.keep("resourcequota", move || quotas.clone().run(everything.clone(), counts.clone()));
}
