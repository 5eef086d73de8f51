//! Deletes what a namespace holds.

use std::collections::BTreeMap;

use http::{Method, Request};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Client, ResourceExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::resources::{self, Resource};
use crate::Error;

/// How long objects with finalizers are expected to take, in seconds.
const FINALIZER_ESTIMATE: u64 = 15;
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Dependants are deleted by name as well, so nothing has to be kept for their sake.
const BACKGROUND: &str = r#"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}"#;

/// What became of a namespace's content.
#[derive(Debug, Default)]
pub(crate) struct Emptied {
    /// Why not every resource was found.
    pub(crate) discovery_failure: Option<String>,
    /// Why some could not be deleted.
    pub(crate) failures: Vec<String>,
    /// How many objects remain, by `resource.group`.
    pub(crate) remaining: BTreeMap<String, usize>,
    /// How many of them a finalizer holds, by finalizer.
    pub(crate) finalizers: BTreeMap<String, usize>,
    /// In how many seconds the rest is expected to be gone.
    pub(crate) seconds: u64,
}

impl Emptied {
    /// Why the work has to be done again, if anything went wrong.
    pub(crate) fn failure(&self) -> Option<String> {
        let all: Vec<_> = self.discovery_failure.iter().chain(&self.failures).map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// In how many seconds the rest is expected to be gone; `None` when nothing is to be waited for.
    pub(crate) fn estimate(&self) -> Option<u64> {
        (self.seconds > 0).then_some(self.seconds)
    }

    fn add(&mut self, resource: &Resource, outcome: Result<Rest, Error>) {
        let rest = match outcome {
            Ok(rest) => rest,
            Err(error) => return self.failures.push(error.words()),
        };
        self.seconds = self.seconds.max(rest.seconds);
        self.failures.extend(rest.failure);
        if rest.count > 0 {
            self.remaining.insert(format!("{}.{}", resource.plural, resource.group), rest.count);
        }
        for finalizer in rest.finalizers {
            let count = self.finalizers.entry(finalizer).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// What remains of one resource.
#[derive(Default)]
struct Rest {
    count: usize,
    /// Each as often as it holds an object.
    finalizers: Vec<String>,
    seconds: u64,
    failure: Option<String>,
}

/// Deletes all content, pods before everything else: what they use is there until they are gone.
pub(crate) async fn delete_all(client: &Client, namespace: &Namespace) -> Emptied {
    let found = resources::discover(client).await;
    let mut emptied = Emptied { discovery_failure: found.failure, ..Emptied::default() };
    let work = Work { client, namespace: &namespace.name_any() };
    let (pods, others): (Vec<_>, Vec<_>) = found.resources.iter().partition(|resource| resource.is_pods());
    for pods in pods {
        let outcome = work.delete_pods(pods, namespace).await;
        if let Err(error) = &outcome {
            tracing::debug!(error = error as &dyn std::error::Error, "Pods were not deleted");
        }
        emptied.add(pods, outcome);
    }
    if !emptied.remaining.is_empty() {
        return emptied;
    }
    for resource in others {
        emptied.add(resource, work.delete(resource, 0).await);
    }
    emptied
}

/// One namespace's content.
struct Work<'a> {
    client: &'a Client,
    namespace: &'a str,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    finalizers: Vec<String>,
}

#[derive(Deserialize)]
struct Pod {
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    termination_grace_period_seconds: Option<u64>,
}

#[derive(Deserialize, Default)]
struct PodStatus {
    phase: Option<String>,
}

impl Work<'_> {
    async fn delete_pods(&self, pods: &Resource, namespace: &Namespace) -> Result<Rest, Error> {
        let running: List<Pod> =
            self.ask(Method::GET, &pods.path(self.namespace), "application/json", "").await?;
        self.delete(pods, grace(&running.items, namespace)).await
    }

    /// Deletes the objects of one resource. `seconds` is how long they are allowed to take.
    async fn delete(&self, resource: &Resource, seconds: u64) -> Result<Rest, Error> {
        let path = resource.path(self.namespace);
        let before = self.list(resource, &path).await?;
        // What cannot be listed is deleted unseen.
        if before.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Rest::default());
        }
        if !self.delete_collection(resource, &path).await? {
            for item in before.iter().flatten() {
                let item = format!("{path}/{}", item.metadata.name);
                unless_missing(self.ask_for_deletion(&item).await)?;
            }
        }
        let Some(left) = self.list(resource, &path).await? else { return Ok(Rest::default()) };
        Ok(self.rest(resource, &left, seconds))
    }

    fn rest(&self, resource: &Resource, left: &[Item], seconds: u64) -> Rest {
        let count = left.len();
        if count == 0 {
            return Rest::default();
        }
        let finalizers: Vec<_> =
            left.iter().flat_map(|item| item.metadata.finalizers.iter().cloned()).collect();
        let (seconds, failure) = if seconds > 0 {
            (seconds, None)
        } else if !finalizers.is_empty() {
            (FINALIZER_ESTIMATE, None)
        } else {
            let Resource { group, version, plural, .. } = resource;
            let namespace = self.namespace;
            let words = format!(
                "unexpected items still remain in namespace: {namespace} for gvr: {group}/{version}, Resource={plural}"
            );
            (0, Some(words))
        };
        Rest { count, finalizers, seconds, failure }
    }

    /// The objects' metadata; `None` where they cannot be listed.
    async fn list(&self, resource: &Resource, path: &str) -> Result<Option<Vec<Item>>, Error> {
        if !resource.lists {
            return Ok(None);
        }
        let list = unless_missing(self.ask::<List<Item>>(Method::GET, path, METADATA_LIST, "").await)?;
        Ok(list.map(|list| list.items))
    }

    /// Whether the objects can be deleted at once, which is then done.
    async fn delete_collection(&self, resource: &Resource, path: &str) -> Result<bool, Error> {
        if !resource.deletes_collections {
            return Ok(false);
        }
        Ok(unless_missing(self.ask_for_deletion(path).await)?.is_some())
    }

    async fn ask_for_deletion(&self, path: &str) -> Result<serde::de::IgnoredAny, Error> {
        self.ask(Method::DELETE, path, "application/json", BACKGROUND).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: &'static str,
    ) -> Result<T, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.as_bytes().to_vec())
            .map_err(kube::core::request::Error::BuildRequest)?;
        Ok(self.client.request(request).await?)
    }
}

/// `None` for what does not exist or does not know the verb.
fn unless_missing<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(Error::Refused(status)) if matches!(status.code, 404 | 405) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many seconds running pods are allowed to take, unless that time is over.
fn grace(pods: &[Pod], namespace: &Namespace) -> u64 {
    let ended = |pod: &Pod| matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let running = pods.iter().filter(|pod| !ended(pod));
    let seconds = running.filter_map(|pod| pod.spec.termination_grace_period_seconds).max().unwrap_or(0);
    let since = namespace.metadata.deletion_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let passed = Timestamp::now().duration_since(since).as_secs();
    if passed >= i64::try_from(seconds).unwrap_or(i64::MAX) { 0 } else { seconds }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn pods(tree: serde_json::Value) -> Vec<Pod> {
        serde_json::from_value(tree).unwrap()
    }

    fn deleted(seconds_ago: i64) -> Namespace {
        let mut namespace = Namespace::default();
        let now = Timestamp::now().as_second();
        namespace.metadata.deletion_timestamp =
            Some(Time(Timestamp::from_second(now - seconds_ago).unwrap()));
        namespace
    }

    #[test]
    fn the_longest_grace_of_a_running_pod_counts_until_it_is_over() {
        let pods = pods(serde_json::json!([
            { "spec": { "terminationGracePeriodSeconds": 30 } },
            { "spec": { "terminationGracePeriodSeconds": 10 }, "status": { "phase": "Running" } },
            { "spec": { "terminationGracePeriodSeconds": 600 }, "status": { "phase": "Succeeded" } },
        ]));
        assert_eq!(grace(&pods, &deleted(1)), 30);
        assert_eq!(grace(&pods, &deleted(31)), 0);
        assert_eq!(grace(&[], &deleted(0)), 0);
    }

    #[test]
    fn what_is_missing_is_no_error() {
        let refused = |code| Error::Refused(kube::core::Status::failure("no", "No").with_code(code).boxed());
        assert!(unless_missing::<()>(Err(refused(404))).unwrap().is_none());
        assert!(unless_missing::<()>(Err(refused(405))).unwrap().is_none());
        assert!(unless_missing::<()>(Err(refused(403))).is_err());
    }
}
