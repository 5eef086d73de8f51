//! What keeps a cluster's objects in order, each part under its own identity, all through the API.
//!
//! ```text
//! namespace                  empties a namespace that is to go, then lets it go
//! service_account            a default service account in every namespace
//! root_ca                    the authority's certificate in every namespace
//! cluster_role_aggregation   the rules of roles that are made of others
//! garbage                    deletes what is owned when its owners are gone
//! supervise                  starts a part again when it fails
//! ```
//!
//! All parts read from informers that they share, under the manager's identity, and write as their own
//! service account in `kube-system`, as upstream's controller manager does.

mod cluster_role_aggregation;
mod discovery;
mod error;
mod garbage;
mod informers;
mod namespace;
mod root_ca;
mod service_account;
mod supervise;

use std::fmt;
use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;

use crate::error::Error;
use crate::informers::Informers;
use crate::supervise::Supervisor;

/// What controllers call themselves; field ownership is recorded under the part before the slash.
pub const USER_AGENT: &str = concat!("kube-controller-manager/", env!("CARGO_PKG_VERSION"), " (portcullis)");

/// Under whose names the controllers speak to the server.
pub struct Clients {
    manager: Client,
    namespace: Client,
    service_account: Client,
    root_ca: Client,
    cluster_role_aggregation: Client,
    garbage: Client,
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
    let Clients { manager, namespace, service_account, root_ca, cluster_role_aggregation, garbage } = clients;
    let informers = Arc::new(Informers::new());
    let root_ca_pem: Arc<str> = root_ca_pem.into();
    let mut supervisor = Supervisor::new(stop);
    informers.start(&mut supervisor, &manager);
    let shared = informers.clone();
    supervisor.keep("namespace", move || namespace::run(shared.clone(), namespace.clone()));
    let shared = informers.clone();
    supervisor.keep("serviceaccount", move || service_account::run(shared.clone(), service_account.clone()));
    let shared = informers.clone();
    supervisor.keep("root-ca-certificate-publisher", move || {
        root_ca::run(shared.clone(), root_ca.clone(), root_ca_pem.clone())
    });
    supervisor.keep("clusterrole-aggregation", move || {
        cluster_role_aggregation::run(informers.clone(), cluster_role_aggregation.clone())
    });
    supervisor.keep("garbage-collector", move || garbage::run(manager.clone(), garbage.clone()));
    supervisor.stopped().await;
}
