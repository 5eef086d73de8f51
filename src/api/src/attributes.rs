//! What a request asks for, parsed once from method, path and query.

mod parse;
mod path;
pub mod query;

use std::fmt;
use std::sync::Arc;

pub use parse::parse;

/// A Kubernetes verb. The name on the wire and in policies is the lower-case word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object, or a non-resource path by GET.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one.
    Delete,
    /// DELETE of many.
    DeleteCollection,
    /// HEAD of a non-resource path; of a resource it is a get or list.
    Head,
    /// POST to a non-resource path.
    Post,
    /// PUT to a non-resource path.
    Put,
    /// OPTIONS of a non-resource path.
    Options,
    /// OPTIONS of a resource, which is no verb there: only rules for every verb are for it.
    Nothing,
}

impl Verb {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Head => "head",
            Self::Post => "post",
            Self::Put => "put",
            Self::Options => "options",
            Self::Nothing => "",
        }
    }

    /// Whether the verb leaves objects as they are.
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch | Self::Head | Self::Options | Self::Nothing)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The one parse of a request that router, authorizer, audit and fairness share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestInfo {
    /// The verb.
    pub verb: Verb,
    /// The path as sent (validated: no empty, `.`/`..` or escaped-slash segment).
    pub path: Arc<str>,
    /// What the path names.
    pub target: Target,
}

/// What a path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Anything that is not a resource: discovery, health, metrics, OpenAPI.
    NonResource,
    /// A resource of a group and version.
    Resource(ResourceTarget),
}

/// A resource, down to the object and subresource where the path names them. Empty text means absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourceTarget {
    /// API group; empty for core.
    pub group: Arc<str>,
    /// API version.
    pub version: Arc<str>,
    /// Namespace; empty at cluster scope or for all namespaces. For `namespaces/NAME…` it is NAME, as upstream.
    pub namespace: Arc<str>,
    /// Plural resource name.
    pub resource: Arc<str>,
    /// Subresource.
    pub subresource: Arc<str>,
    /// Object name (also taken from a `metadata.name=` field selector on list, watch and deletecollection).
    pub name: Arc<str>,
    /// What follows the subresource (proxy paths), without a leading slash.
    pub rest: Arc<str>,
    /// The raw label selector, if the request has one.
    pub label_selector: Arc<str>,
    /// The raw field selector, if the request has one.
    pub field_selector: Arc<str>,
}

impl RequestInfo {
    /// The resource target, if the path names one.
    pub fn resource(&self) -> Option<&ResourceTarget> {
        match &self.target {
            Target::Resource(target) => Some(target),
            Target::NonResource => None,
        }
    }

    /// Whether the answer may take as long as it likes: a stream, not a request with a deadline.
    pub fn is_long_running(&self) -> bool {
        let streams = |target: &ResourceTarget| {
            matches!(&*target.subresource, "attach" | "exec" | "log" | "portforward" | "proxy")
        };
        self.verb == Verb::Watch || self.resource().is_some_and(streams)
    }
}

#[cfg(test)]
mod tests;
