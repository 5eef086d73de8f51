//! What quotas say is used, counted anew.
//!
//! Admission adds to a quota's usage in the same commit as it lets an object in. This part counts what
//! there is: when a quota is new or its limits change, when something in its namespace goes or may have
//! come to use less, and now and then in any case. A count that crossed an admission is not stored: the
//! quota is another by then.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use portcullis_api::quantity::Quantity;
use portcullis_api::quota::{self, Measured, Usage};
use portcullis_api::{GroupResource, Object};
use portcullis_client::{Change, Informer, Key, Next, Queue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::everything::{Everything, Kind, Listener};

const AT_A_TIME: usize = 5;
/// How long changes of the same namespace are gathered: what went, and what may use less.
const AFTER_REMOVAL: Duration = Duration::from_millis(500);
const AFTER_CHANGE: Duration = Duration::from_secs(2);
/// When a quota that changed meanwhile is counted again.
const SOON: Duration = Duration::from_millis(50);
/// How often every quota is counted in any case.
const IN_ANY_CASE: Duration = Duration::from_secs(300);
const PAGE: usize = 500;

/// The quotas, and which of them are to be counted.
pub(crate) struct Quotas {
    known: Arc<Informer<ResourceQuota>>,
    queue: Arc<Queue<Key>>,
}

impl Quotas {
    pub(crate) fn new(known: Arc<Informer<ResourceQuota>>) -> Arc<Self> {
        Arc::new(Self { known, queue: Queue::new() })
    }

    /// Counts for ever.
    pub(crate) async fn run(self: Arc<Self>, everything: Arc<Everything>, client: Client) {
        self.known.synced().await;
        everything.synced().await;
        self.known.feed(&self.queue, |change| match change {
            Change::Applied(quota) if is_out_of_date(quota) => Some(key(quota)),
            _ => None,
        });
        let counter = Counter { client, everything };
        tokio::select! {
            () = self.remind() => {}
            () = self.queue.work(AT_A_TIME, |key| self.bring_up_to_date(&counter, key)) => {}
        }
    }

    async fn remind(&self) {
        loop {
            self.known.list().iter().for_each(|quota| self.queue.add(key(quota)));
            tokio::time::sleep(IN_ANY_CASE).await;
        }
    }

    async fn bring_up_to_date(&self, counter: &Counter, key: Key) -> Result<Next, Error> {
        let Some(quota) = self.known.get(&key) else { return Ok(Next::Settled) };
        match counter.count(&quota).await {
            Err(error) if error.is_conflict() => Ok(Next::After(SOON)),
            Err(error) if error.is_not_found() => Ok(Next::Settled),
            outcome => outcome.map(|()| Next::Settled),
        }
    }

    fn concern(&self, metadata: &ObjectMeta, after: Duration) {
        let Some(namespace) = &metadata.namespace else { return };
        for quota in self.known.in_namespace(namespace) {
            self.queue.add_after(key(&quota), after);
        }
    }
}

impl Listener for Quotas {
    fn seen(&self, kind: &Kind, metadata: &ObjectMeta) {
        // Of other kinds only their number counts, which a change leaves as it is.
        if Measured::of(&named(kind)) != Measured::Object {
            self.concern(metadata, AFTER_CHANGE);
        }
    }

    fn gone(&self, _kind: &Kind, metadata: &ObjectMeta) {
        self.concern(metadata, AFTER_REMOVAL);
    }

    fn listed(&self, _kind: &Kind, _uids: &HashSet<String>) {}
}

fn key(quota: &ResourceQuota) -> Key {
    Key { namespace: quota.namespace(), name: quota.name_any() }
}

fn named(kind: &Kind) -> GroupResource {
    GroupResource::new(kind.group.as_str(), kind.plural.as_str())
}

/// Whether a quota's status does not speak of its limits.
fn is_out_of_date(quota: &ResourceQuota) -> bool {
    let limits = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
    let status = quota.status.as_ref();
    let shown = status.and_then(|status| status.hard.as_ref());
    limits != shown || status.is_none_or(|status| status.used.is_none())
}

struct Counter {
    client: Client,
    everything: Arc<Everything>,
}

#[derive(Deserialize)]
struct List<T> {
    metadata: Page,
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    r#continue: String,
    remaining_item_count: usize,
}

impl Counter {
    async fn count(&self, quota: &ResourceQuota) -> Result<(), Error> {
        let Ok(Value::Object(tree)) = serde_json::to_value(quota) else { return Ok(()) };
        let tree = Object::new(tree);
        let hard = quota::amounts(tree.at(&["spec", "hard"]));
        let mut used = quota::amounts(tree.at(&["status", "used"]));
        used.retain(|name, _| hard.contains_key(name));
        for kind in &self.everything.kinds().watched {
            let resource = named(kind);
            let measured = Measured::of(&resource);
            let names: Vec<&String> = hard.keys().filter(|name| measured.counts(&resource, name)).collect();
            if !names.is_empty() {
                let total = self.total(kind, measured, &tree).await?;
                let zero = || Quantity::new(0, portcullis_api::quantity::Format::DecimalSi);
                used.extend(
                    names
                        .into_iter()
                        .map(|name| (name.clone(), total.get(name).cloned().unwrap_or_else(zero))),
                );
            }
        }
        if used == quota::amounts(tree.at(&["status", "used"])) && !is_out_of_date(quota) {
            return Ok(());
        }
        self.store(quota, used).await
    }

    /// What all objects of a kind that a quota concerns use together.
    async fn total(&self, kind: &Kind, measured: Measured, quota: &Object) -> Result<Usage, Error> {
        let resource = named(kind);
        if measured == Measured::Object && !quota::has_scopes(quota) {
            let number = self.number(kind, quota.namespace()).await?;
            return Ok(measured.usage_of(&resource, number));
        }
        let mut total = Usage::new();
        let mut from = String::new();
        loop {
            let page = format!("limit={PAGE}&continue={from}");
            let list: List<portcullis_api::Map<String, Value>> =
                self.ask(kind, quota.namespace(), &page).await?;
            let objects = list.items.into_iter().map(Object::new);
            for object in objects.filter(|object| quota::in_scopes(quota, measured, object)) {
                quota::add(&mut total, &measured.usage(&resource, &object));
            }
            if list.metadata.r#continue.is_empty() {
                return Ok(total);
            }
            from = list.metadata.r#continue;
        }
    }

    /// How many objects of a kind there are.
    async fn number(&self, kind: &Kind, namespace: &str) -> Result<usize, Error> {
        let list: List<serde::de::IgnoredAny> = self.ask(kind, namespace, "limit=1").await?;
        Ok(list.items.len().saturating_add(list.metadata.remaining_item_count))
    }

    async fn ask<T: DeserializeOwned>(&self, kind: &Kind, namespace: &str, query: &str) -> Result<T, Error> {
        let root = if kind.group.is_empty() { "/api" } else { "/apis" };
        let path = format!("{root}/{}/namespaces/{namespace}/{}?{query}", kind.api_version, kind.plural);
        let request = Request::builder().method(Method::GET).uri(path).body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest)?;
        Ok(self.client.request(request).await?)
    }

    async fn store(&self, quota: &ResourceQuota, used: Usage) -> Result<(), Error> {
        let mut counted = quota.clone();
        let used = used.into_iter().map(|(name, amount)| (name, Amount(amount.to_string()))).collect();
        let hard = counted.spec.as_ref().and_then(|spec| spec.hard.clone());
        counted.status = Some(ResourceQuotaStatus { hard, used: Some(used) });
        let namespace = quota.namespace().unwrap_or_default();
        let api = Api::<ResourceQuota>::namespaced(self.client.clone(), &namespace);
        api.replace_status(&quota.name_any(), &PostParams::default(), &counted).await?;
        Ok(())
    }
}
