//! What controllers read, each kind watched once.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::runtime::watcher;
use kube::{Api, Client};
use portcullis_client::{Informer, Kept};

use crate::root_ca::ROOT_CA;
use crate::service_account::DEFAULT;
use crate::supervise::Supervisor;

/// Stores of objects, as last seen.
pub(crate) struct Informers {
    pub(crate) namespaces: Arc<Informer<Namespace>>,
    /// Default service accounts only.
    pub(crate) accounts: Arc<Informer<ServiceAccount>>,
    /// Config maps with the root authority only.
    pub(crate) root_cas: Arc<Informer<ConfigMap>>,
    pub(crate) cluster_roles: Arc<Informer<ClusterRole>>,
    pub(crate) quotas: Arc<Informer<ResourceQuota>>,
}

impl Informers {
    pub(crate) fn new() -> Self {
        Self {
            namespaces: Informer::new(),
            accounts: Informer::new(),
            root_cas: Informer::new(),
            cluster_roles: Informer::new(),
            quotas: Informer::new(),
        }
    }

    pub(crate) fn start(&self, supervisor: &mut Supervisor, client: &Client) {
        follow(supervisor, "namespaces", &self.namespaces, client, watcher::Config::default());
        follow(supervisor, "serviceaccounts", &self.accounts, client, named(DEFAULT));
        follow(supervisor, "configmaps", &self.root_cas, client, named(ROOT_CA));
        follow(supervisor, "clusterroles", &self.cluster_roles, client, watcher::Config::default());
        follow(supervisor, "resourcequotas", &self.quotas, client, watcher::Config::default());
    }
}

fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

fn follow<K: Kept>(
    supervisor: &mut Supervisor,
    name: &'static str,
    informer: &Arc<Informer<K>>,
    client: &Client,
    config: watcher::Config,
) {
    let (informer, client) = (informer.clone(), client.clone());
    supervisor.keep(name, move || {
        let (informer, api, config) = (informer.clone(), Api::all(client.clone()), config.clone());
        async move { informer.run(api, config).await }
    });
}
