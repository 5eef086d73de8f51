//! The kinds of content that a namespace can have, from the server's own account of itself.

use std::collections::BTreeSet;

use kube::Client;
use kube::client::APIGroupDiscovery;

use crate::discovery::{self, can, name};

/// A resource whose objects live in namespaces and can be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) lists: bool,
    pub(crate) deletes_collections: bool,
}

impl Resource {
    /// Where a namespace's objects of this resource are.
    pub(crate) fn path(&self, namespace: &str) -> String {
        let Self { group, version, plural, .. } = self;
        if group.is_empty() {
            format!("/api/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
        }
    }

    pub(crate) fn is_pods(&self) -> bool {
        self.group.is_empty() && self.plural == "pods"
    }
}

/// Everything that was found, and the words for what was not.
pub(crate) struct Found {
    pub(crate) resources: Vec<Resource>,
    pub(crate) failure: Option<String>,
}

/// Asks the server for all of them; each comes in its group's most preferred version that has it.
pub(crate) async fn discover(client: &Client) -> Found {
    let discovery::Found { groups, mut failures } = discovery::groups(client).await;
    failures.extend(staleness(&groups));
    let failure = (!failures.is_empty()).then(|| failures.join(", "));
    Found { resources: groups.iter().flat_map(deletable).collect(), failure }
}

/// The words for groups that could not be asked.
fn staleness(groups: &[APIGroupDiscovery]) -> Option<String> {
    let stale = discovery::stale(groups);
    let each: Vec<_> =
        stale.iter().map(|one| format!("{one}: stale GroupVersion discovery: {one}")).collect();
    (!each.is_empty()).then(|| {
        format!(
            "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
            each.len(),
            each.join(", ")
        )
    })
}

fn deletable(group: &APIGroupDiscovery) -> Vec<Resource> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for (version, resources) in discovery::fresh(group) {
        for resource in resources {
            let Some(plural) = &resource.resource else { continue };
            let namespaced = resource.scope.as_deref() == Some("Namespaced");
            if namespaced && can(resource, "delete") && known.insert(plural) {
                found.push(Resource {
                    group: name(group).to_owned(),
                    version: version.to_owned(),
                    plural: plural.clone(),
                    lists: can(resource, "list"),
                    deletes_collections: can(resource, "deletecollection"),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(tree: serde_json::Value) -> APIGroupDiscovery {
        serde_json::from_value(tree).unwrap()
    }

    fn resource(plural: &str, scope: &str, verbs: &[&str]) -> serde_json::Value {
        serde_json::json!({ "resource": plural, "scope": scope, "verbs": verbs })
    }

    #[test]
    fn the_preferred_version_of_what_can_be_deleted_in_a_namespace_is_found() {
        let found = deletable(&group(serde_json::json!({
            "metadata": { "name": "autoscaling" },
            "versions": [
                { "version": "v2", "freshness": "Current", "resources": [
                    resource("scalers", "Namespaced", &["delete", "deletecollection", "list"]),
                    resource("reviews", "Namespaced", &["create"]),
                    resource("nodes", "Cluster", &["delete"]),
                ] },
                { "version": "v1", "freshness": "Current", "resources": [
                    resource("scalers", "Namespaced", &["delete", "deletecollection", "list"]),
                    resource("older", "Namespaced", &["delete"]),
                ] },
            ],
        })));
        let paths: Vec<_> = found.iter().map(|resource| resource.path("ns")).collect();
        assert_eq!(
            paths,
            ["/apis/autoscaling/v2/namespaces/ns/scalers", "/apis/autoscaling/v1/namespaces/ns/older",]
        );
        assert!(found[0].deletes_collections && !found[1].deletes_collections);
    }

    #[test]
    fn a_stale_group_is_a_failure_and_not_an_empty_group() {
        let groups = [group(serde_json::json!({
            "metadata": { "name": "metrics.k8s.io" },
            "versions": [{ "version": "v1beta1", "freshness": "Stale" }],
        }))];
        let words = staleness(&groups).unwrap();
        assert!(
            words.ends_with("metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1")
        );
        assert!(staleness(&[]).is_none());
    }
}
