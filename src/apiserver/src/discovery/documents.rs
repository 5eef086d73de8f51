//! The documents as bytes.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderValue;
use portcullis_api::GroupVersion;
use serde::Serialize;
use sha2::{Digest, Sha512};

use super::served::{Served, ServedSubresource};

/// All documents of one set of resources.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) core: Bytes,
    pub(super) group_list: Bytes,
    pub(super) groups: HashMap<String, Bytes>,
    /// By group, then version; the core group's name is empty.
    pub(super) versions: HashMap<String, HashMap<String, Bytes>>,
    pub(super) aggregated_core: Tagged,
    pub(super) aggregated_groups: Tagged,
}

/// A document with its tag.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) bytes: Bytes,
    pub(super) tag: HeaderValue,
}

impl Documents {
    pub(super) fn new(resources: &[Served], address: &str) -> Self {
        let groups = Group::all(resources);
        let named = || groups.iter().filter(|group| !group.name.is_empty());
        let core = groups.iter().find(|group| group.name.is_empty());
        let core_versions =
            core.map(|group| group.versions.iter().map(|v| v.version).collect()).unwrap_or_default();
        Self {
            core: bytes(&ApiVersions {
                kind: "APIVersions",
                versions: core_versions,
                server_address_by_client_cidrs: [ServerAddress {
                    client_cidr: "0.0.0.0/0",
                    server_address: address,
                }],
            }),
            group_list: bytes(&ApiGroupList {
                kind: "APIGroupList",
                api_version: "v1",
                groups: named().map(|group| group.describe(false)).collect(),
            }),
            groups: named().map(|group| (group.name.to_owned(), bytes(&group.describe(true)))).collect(),
            versions: groups.iter().map(|group| (group.name.to_owned(), group.version_documents())).collect(),
            aggregated_core: aggregated(core.into_iter()),
            aggregated_groups: aggregated(named()),
        }
    }
}

fn aggregated<'r>(groups: impl Iterator<Item = &'r Group<'r>>) -> Tagged {
    let document = bytes(&GroupDiscoveryList {
        kind: "APIGroupDiscoveryList",
        api_version: "apidiscovery.k8s.io/v2",
        metadata: Empty {},
        items: groups.map(GroupDiscovery::of).collect(),
    });
    let tag = format!("\"{:X}\"", Sha512::digest(&document));
    // Hexadecimal digits in quotes are a valid header value.
    let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
    Tagged { bytes: document, tag }
}

/// Trees of strings always serialise.
fn bytes(document: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

struct Group<'r> {
    name: &'r str,
    versions: Vec<Version<'r>>,
}

struct Version<'r> {
    version: &'r str,
    gv: &'r GroupVersion,
    resources: Vec<&'r Served>,
}

impl<'r> Group<'r> {
    /// Groups and versions in the order their first resource has; resources by name.
    fn all(resources: &'r [Served]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for served in resources {
            let name = &*served.gv.group;
            let at = groups.iter().position(|group| group.name == name).unwrap_or(groups.len());
            if at == groups.len() {
                groups.push(Self { name, versions: Vec::new() });
            }
            if let Some(group) = groups.get_mut(at) {
                group.add(served);
            }
        }
        for version in groups.iter_mut().flat_map(|group| &mut group.versions) {
            version.resources.sort_by(|a, b| a.resource.cmp(&b.resource));
        }
        groups
    }

    fn add(&mut self, served: &'r Served) {
        let version = &*served.gv.version;
        match self.versions.iter_mut().find(|v| v.version == version) {
            Some(known) => known.resources.push(served),
            None => self.versions.push(Version { version, gv: &served.gv, resources: vec![served] }),
        }
    }

    fn describe(&self, alone: bool) -> ApiGroup<'r> {
        let versions: Vec<_> = self.versions.iter().map(Version::describe).collect();
        ApiGroup {
            kind: alone.then_some("APIGroup"),
            api_version: alone.then_some("v1"),
            name: self.name,
            preferred_version: versions.first().cloned(),
            versions,
        }
    }

    fn version_documents(&self) -> HashMap<String, Bytes> {
        self.versions.iter().map(|version| (version.version.to_owned(), version.document())).collect()
    }
}

impl<'r> Version<'r> {
    fn describe(&self) -> GroupVersionForDiscovery<'r> {
        GroupVersionForDiscovery { group_version: self.gv.to_string(), version: self.version }
    }

    fn document(&self) -> Bytes {
        bytes(&ApiResourceList {
            kind: "APIResourceList",
            // The core group's documents are older than the field.
            api_version: (!self.gv.group.is_empty()).then_some("v1"),
            group_version: self.gv.to_string(),
            resources: self.resources.iter().flat_map(|served| ApiResource::all(served)).collect(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersions<'r> {
    kind: &'static str,
    versions: Vec<&'r str>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    server_address_by_client_cidrs: [ServerAddress<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerAddress<'r> {
    #[serde(rename = "clientCIDR")]
    client_cidr: &'static str,
    server_address: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroupList<'r> {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<ApiGroup<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroup<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'r str,
    versions: Vec<GroupVersionForDiscovery<'r>>,
    preferred_version: Option<GroupVersionForDiscovery<'r>>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersionForDiscovery<'r> {
    group_version: String,
    version: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResourceList<'r> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    group_version: String,
    resources: Vec<ApiResource<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource<'r> {
    name: String,
    singular_name: &'r str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'r str,
    kind: &'r str,
    verbs: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    short_names: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    categories: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_version_hash: Option<String>,
}

impl<'r> ApiResource<'r> {
    /// A resource and its subresources.
    fn all(served: &'r Served) -> Vec<Self> {
        let main = Self {
            name: served.resource.clone(),
            singular_name: &served.singular,
            namespaced: served.namespaced,
            group: "",
            version: "",
            kind: &served.kind,
            verbs: &served.verbs,
            short_names: &served.short_names,
            categories: &served.categories,
            storage_version_hash: served.storage_version_hash(),
        };
        std::iter::once(main).chain(served.subresources.iter().map(|sub| Self::sub(served, sub))).collect()
    }

    fn sub(served: &'r Served, sub: &'r ServedSubresource) -> Self {
        let (group, version) = foreign(served, sub);
        Self {
            name: format!("{}/{}", served.resource, sub.name),
            singular_name: "",
            namespaced: served.namespaced,
            group,
            version,
            kind: &sub.gvk.kind,
            verbs: &sub.verbs,
            short_names: &[],
            categories: &[],
            storage_version_hash: None,
        }
    }
}

/// The group and version of a subresource's kind where they are not its resource's.
fn foreign<'r>(served: &Served, sub: &'r ServedSubresource) -> (&'r str, &'r str) {
    if sub.gvk.gv == served.gv { ("", "") } else { (&sub.gvk.gv.group, &sub.gvk.gv.version) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupDiscoveryList<'r> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: Vec<GroupDiscovery<'r>>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Named<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'r str,
}

#[derive(Serialize)]
struct GroupDiscovery<'r> {
    metadata: Named<'r>,
    versions: Vec<VersionDiscovery<'r>>,
}

impl<'r> GroupDiscovery<'r> {
    fn of(group: &'r Group<'r>) -> Self {
        let versions = group.versions.iter().map(|version| VersionDiscovery {
            version: version.version,
            resources: version.resources.iter().map(|served| ResourceDiscovery::of(served)).collect(),
            freshness: "Current",
        });
        Self { metadata: Named { name: group.name }, versions: versions.collect() }
    }
}

#[derive(Serialize)]
struct VersionDiscovery<'r> {
    version: &'r str,
    resources: Vec<ResourceDiscovery<'r>>,
    freshness: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDiscovery<'r> {
    resource: &'r str,
    response_kind: ResponseKind<'r>,
    scope: &'static str,
    singular_resource: &'r str,
    verbs: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    short_names: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    categories: &'r [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<SubresourceDiscovery<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubresourceDiscovery<'r> {
    subresource: &'r str,
    response_kind: ResponseKind<'r>,
    verbs: &'r [String],
}

#[derive(Serialize)]
struct ResponseKind<'r> {
    group: &'r str,
    version: &'r str,
    kind: &'r str,
}

impl<'r> ResourceDiscovery<'r> {
    fn of(served: &'r Served) -> Self {
        let subresources = served.subresources.iter().map(|sub| {
            let (group, version) = foreign(served, sub);
            let response_kind = ResponseKind { group, version, kind: &sub.gvk.kind };
            SubresourceDiscovery { subresource: &sub.name, response_kind, verbs: &sub.verbs }
        });
        Self {
            resource: &served.resource,
            response_kind: ResponseKind { group: "", version: "", kind: &served.kind },
            scope: if served.namespaced { "Namespaced" } else { "Cluster" },
            singular_resource: &served.singular,
            verbs: &served.verbs,
            short_names: &served.short_names,
            categories: &served.categories,
            subresources: subresources.collect(),
        }
    }
}
