//! Group, version, kind, resource: how Kubernetes names what it serves.

use std::fmt;
use std::sync::Arc;

/// A group and version, written `apps/v1`, or `v1` for the core group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersion {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The version within the group.
    pub version: Arc<str>,
}

impl GroupVersion {
    /// Names a group and version.
    pub fn new(group: impl Into<Arc<str>>, version: impl Into<Arc<str>>) -> Self {
        Self { group: group.into(), version: version.into() }
    }

    /// Reads an `apiVersion` field; `None` if it has more than one slash.
    pub fn parse(api_version: &str) -> Option<Self> {
        match api_version.split_once('/') {
            None => Some(Self::new("", api_version)),
            Some((_, version)) if version.contains('/') => None,
            Some((group, version)) => Some(Self::new(group, version)),
        }
    }
}

impl fmt::Display for GroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.version)
        } else {
            write!(f, "{}/{}", self.group, self.version)
        }
    }
}

impl fmt::Debug for GroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A kind in a group and version; displays as upstream's `apps/v1, Kind=Deployment`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Gvk {
    /// Group and version.
    pub gv: GroupVersion,
    /// The kind, in CamelCase.
    pub kind: Arc<str>,
}

impl Gvk {
    /// Names a kind.
    pub fn new(gv: GroupVersion, kind: impl Into<Arc<str>>) -> Self {
        Self { gv, kind: kind.into() }
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Kind={}", self.gv, self.kind)
    }
}

/// A resource in a group and version.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Gvr {
    /// Group and version.
    pub gv: GroupVersion,
    /// The plural, lower case resource name.
    pub resource: Arc<str>,
}

impl Gvr {
    /// Names a resource.
    pub fn new(gv: GroupVersion, resource: impl Into<Arc<str>>) -> Self {
        Self { gv, resource: resource.into() }
    }

    /// The resource without its version.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.gv.group.clone(), resource: self.resource.clone() }
    }
}

/// A resource of a group, whatever the version; displays as `deployments.apps` or `pods`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupResource {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The plural resource name.
    pub resource: Arc<str>,
}

impl GroupResource {
    /// Names a resource of a group.
    pub fn new(group: impl Into<Arc<str>>, resource: impl Into<Arc<str>>) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.resource)
        } else {
            write!(f, "{}.{}", self.resource, self.group)
        }
    }
}

/// Whether objects of a resource live in a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Scope {
    /// One object per name in the cluster.
    Cluster,
    /// One object per name in each namespace.
    Namespaced,
}
