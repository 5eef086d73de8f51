//! The server's own account of what it serves.

use kube::Client;
use kube::client::{APIGroupDiscovery, APIResourceDiscovery};

use crate::Error;

/// The groups that were found, and the words for what was not.
pub(crate) struct Found {
    pub(crate) groups: Vec<APIGroupDiscovery>,
    pub(crate) failures: Vec<String>,
}

/// Asks the server for all groups, the core group first.
pub(crate) async fn groups(client: &Client) -> Found {
    let core = client.list_core_api_versions_aggregated().await;
    let named = client.list_api_groups_aggregated().await;
    let mut found = Found { groups: Vec::new(), failures: Vec::new() };
    for answer in [core, named] {
        match answer {
            Ok(list) => found.groups.extend(list.items),
            Err(error) => found.failures.push(Error::from(error).words()),
        }
    }
    found
}

/// The versions of a group whose resources are known to be those served now, most preferred first.
pub(crate) fn fresh(group: &APIGroupDiscovery) -> impl Iterator<Item = (&str, &[APIResourceDiscovery])> {
    let versions = group.versions.iter().filter(|version| version.freshness.as_deref() != Some("Stale"));
    versions.map(|version| (version.version.as_deref().unwrap_or_default(), &*version.resources))
}

/// The versions of groups that could not be asked what they serve now, as `group/version`.
pub(crate) fn stale(groups: &[APIGroupDiscovery]) -> Vec<String> {
    let versions = groups.iter().flat_map(|group| group.versions.iter().map(move |version| (group, version)));
    let stale = versions.filter(|(_, version)| version.freshness.as_deref() == Some("Stale"));
    stale
        .map(|(group, version)| format!("{}/{}", name(group), version.version.as_deref().unwrap_or_default()))
        .collect()
}

/// The name of a group; empty for the core group.
pub(crate) fn name(group: &APIGroupDiscovery) -> &str {
    group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default()
}

/// Whether a resource has a verb.
pub(crate) fn can(resource: &APIResourceDiscovery, verb: &str) -> bool {
    resource.verbs.iter().any(|known| known == verb)
}
