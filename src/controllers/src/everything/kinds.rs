//! The kinds the server serves: which of them are watched, and how an owner is found by what a
//! reference calls it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::Client;
use kube::client::APIGroupDiscovery;
use kube::core::{ApiResource, GroupVersionKind};

use crate::discovery::{self, Found, can, fresh, name, stale};

/// What owns nothing, is owned by nothing, and changes all the time.
const IGNORED: &[(&str, &str)] = &[("", "events"), ("events.k8s.io", "events")];

/// A kind of objects.
pub(crate) type Kind = Arc<ApiResource>;

/// A kind as a reference may name it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) resource: Kind,
    pub(crate) namespaced: bool,
}

/// All kinds that are served.
#[derive(Default, Debug)]
pub(crate) struct Kinds {
    /// By `apiVersion` and `kind`, in every version.
    by_name: HashMap<(String, String), Served>,
    /// One version of everything that comes, goes and can be watched.
    pub(crate) watched: HashSet<Kind>,
    /// Whether there may be more than was found.
    pub(crate) partial: bool,
}

impl Kinds {
    /// Asks the server.
    pub(crate) async fn discover(client: &Client) -> Self {
        let Found { groups, failures } = discovery::groups(client).await;
        for failure in &failures {
            tracing::warn!(failure, "Not every kind could be found");
        }
        let partial = !failures.is_empty() || !stale(&groups).is_empty();
        let mut kinds = Self { partial, ..Self::default() };
        groups.iter().for_each(|group| kinds.add(group));
        kinds
    }

    /// The kind that a reference names.
    pub(crate) fn named(&self, api_version: &str, kind: &str) -> Option<Served> {
        self.by_name.get(&(api_version.to_owned(), kind.to_owned())).cloned()
    }

    fn add(&mut self, group: &APIGroupDiscovery) {
        let mut known = HashSet::new();
        for (version, resources) in fresh(group) {
            for resource in resources {
                let Some(plural) = &resource.resource else { continue };
                let asked = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_deref());
                let Some(kind) = asked.filter(|kind| !kind.is_empty()) else { continue };
                let gvk = GroupVersionKind::gvk(name(group), version, kind);
                let api = Arc::new(ApiResource::from_gvk_with_plural(&gvk, plural));
                let namespaced = resource.scope.as_deref() == Some("Namespaced");
                let named = (api.api_version.clone(), api.kind.clone());
                self.by_name.insert(named, Served { resource: api.clone(), namespaced });
                let watched = ["delete", "list", "watch"].iter().all(|verb| can(resource, verb));
                let ignored = IGNORED.contains(&(name(group), plural));
                if watched && !ignored && known.insert(plural) {
                    self.watched.insert(api);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_watched_once_and_found_in_every_version() {
        let resource = |plural: &str, kind: &str, verbs: &[&str]| {
            json!({
                "resource": plural, "scope": "Namespaced", "verbs": verbs,
                "responseKind": { "group": "", "version": "", "kind": kind },
            })
        };
        let all = ["delete", "get", "list", "watch"];
        let group = serde_json::from_value(json!({
            "metadata": { "name": "autoscaling" },
            "versions": [
                { "version": "v2", "freshness": "Current", "resources": [
                    resource("scalers", "Scaler", &all), resource("reviews", "Review", &["create"]),
                ] },
                { "version": "v1", "freshness": "Current", "resources": [resource("scalers", "Scaler", &all)] },
            ],
        }));
        let mut kinds = Kinds::default();
        kinds.add(&group.unwrap());
        let watched: Vec<_> = kinds.watched.iter().map(|kind| kind.api_version.as_str()).collect();
        assert_eq!(watched, ["autoscaling/v2"]);
        assert!(kinds.named("autoscaling/v1", "Scaler").unwrap().namespaced);
        assert!(kinds.named("autoscaling/v1", "Review").is_none());
        assert!(kinds.named("autoscaling/v2", "Review").is_some());
    }
}
