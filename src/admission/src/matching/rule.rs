//! One rule: operations on resources.

use portcullis_api::{Gvr, Value};

use crate::attributes::Attributes;

/// A `RuleWithOperations`, with the names that policies may add.
#[derive(Debug)]
pub struct Rule {
    operations: Vec<Box<str>>,
    groups: Vec<Box<str>>,
    versions: Vec<Box<str>>,
    /// Resources with their subresources; either may be `*`.
    resources: Vec<(Box<str>, Box<str>)>,
    scope: Scope,
    /// Empty for any name.
    names: Vec<Box<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    All,
    Cluster,
    Namespaced,
    /// A word that means nothing.
    None,
}

impl Rule {
    /// Reads a rule.
    pub fn read(rule: &Value) -> Self {
        let list = |field: &str| -> Vec<Box<str>> {
            let list = rule.get(field).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(Box::from).collect()
        };
        let split = |resource: &str| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            (resource.into(), subresource.into())
        };
        Self {
            operations: list("operations"),
            groups: list("apiGroups"),
            versions: list("apiVersions"),
            resources: list("resources").iter().map(|resource| split(resource)).collect(),
            scope: match rule.get("scope").and_then(Value::as_str) {
                None | Some("*") => Scope::All,
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                Some(_) => Scope::None,
            },
            names: list("resourceNames"),
        }
    }

    /// Whether it is about a write, taken for one of `resource`: the one that was asked for, or another
    /// version of it.
    pub(super) fn matches(&self, write: &Attributes<'_>, resource: &Gvr) -> bool {
        self.has_scope(write)
            && has(&self.operations, write.operation.as_str())
            && has(&self.groups, &resource.gv.group)
            && has(&self.versions, &resource.gv.version)
            && self.has_resource(&resource.resource, write.subresource)
            && (self.names.is_empty() || self.names.iter().any(|name| **name == *write.name))
    }

    /// A namespace counts as what it is: an object of the cluster.
    fn has_scope(&self, write: &Attributes<'_>) -> bool {
        let cluster = write.is_any_of("", "namespaces") || write.namespace.is_empty();
        match self.scope {
            Scope::All => true,
            Scope::Cluster => cluster,
            Scope::Namespaced => !cluster,
            Scope::None => false,
        }
    }

    fn has_resource(&self, resource: &str, subresource: &str) -> bool {
        let is = |word: &str, wanted: &str| word == "*" || word == wanted;
        self.resources.iter().any(|(named, sub)| is(named, resource) && is(sub, subresource))
    }
}

fn has(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|item| **item == *"*" || **item == *wanted)
}
