//! A service account called default in every active namespace.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use portcullis_client::{Change, Key, Next, Queue};

use crate::Error;
use crate::error::created;
use crate::informers::Informers;

pub(crate) const DEFAULT: &str = "default";
const AT_A_TIME: usize = 5;

pub(crate) async fn run(informers: Arc<Informers>, client: Client) {
    let queue = Queue::new();
    informers.namespaces.synced().await;
    informers.accounts.synced().await;
    informers
        .namespaces
        .feed(&queue, |change| is_active(change.object()).then(|| change.object().name_any()));
    informers.accounts.feed(&queue, |change| match change {
        Change::Deleted(account) => account.namespace(),
        Change::Applied(_) => None,
    });
    queue.work(AT_A_TIME, |namespace| ensure(&informers, &client, namespace)).await;
}

async fn ensure(informers: &Informers, client: &Client, namespace: String) -> Result<Next, Error> {
    let active = informers.namespaces.get(&Key::cluster(&namespace)).is_some_and(|found| is_active(&found));
    if !active || informers.accounts.get(&Key::namespaced(&namespace, DEFAULT)).is_some() {
        return Ok(Next::Settled);
    }
    let mut account = ServiceAccount::default();
    account.metadata.name = Some(DEFAULT.to_owned());
    account.metadata.namespace = Some(namespace.clone());
    let api = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    created(api.create(&PostParams::default(), &account).await)?;
    Ok(Next::Settled)
}

/// Whether a namespace takes new content.
pub(crate) fn is_active(namespace: &Namespace) -> bool {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Active") && namespace.metadata.deletion_timestamp.is_none()
}
