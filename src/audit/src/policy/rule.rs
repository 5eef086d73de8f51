//! One rule, and whether it matches. The attributes are those that authorization decides on.

use portcullis_api::attributes::ResourceTarget;
use portcullis_api::{RequestInfo, UserInfo};

use crate::level::{Level, Stages};

/// One rule; an empty list matches everything.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) level: Level,
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(crate) resources: Vec<Resources>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) omit: Stages,
    pub(crate) omit_managed_fields: Option<bool>,
    pub(crate) required: bool,
}

/// Resources of one group.
#[derive(Clone, Debug)]
pub(crate) struct Resources {
    pub(crate) group: String,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
}

impl Rule {
    pub(crate) fn matches(&self, info: &RequestInfo, user: Option<&UserInfo>) -> bool {
        self.matches_user(user)
            && (self.verbs.is_empty() || has(&self.verbs, info.verb.as_str()))
            && self.matches_target(info)
    }

    fn matches_user(&self, user: Option<&UserInfo>) -> bool {
        let named = self.users.is_empty() || user.is_some_and(|user| has(&self.users, &user.name));
        let grouped = self.groups.is_empty()
            || user.is_some_and(|user| user.groups.iter().any(|group| has(&self.groups, group)));
        named && grouped
    }

    fn matches_target(&self, info: &RequestInfo) -> bool {
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return info.resource().is_some_and(|target| self.matches_resource(target));
        }
        if !self.paths.is_empty() {
            return info.resource().is_none() && self.paths.iter().any(|spec| path_fits(spec, &info.path));
        }
        true
    }

    fn matches_resource(&self, target: &ResourceTarget) -> bool {
        (self.namespaces.is_empty() || has(&self.namespaces, &target.namespace))
            && (self.resources.is_empty() || self.resources.iter().any(|entry| entry.matches(target)))
    }
}

impl Resources {
    fn matches(&self, target: &ResourceTarget) -> bool {
        if self.group != "*" && self.group != *target.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        (self.names.is_empty() || has(&self.names, &target.name))
            && self.resources.iter().any(|pattern| resource_fits(pattern, target))
    }
}

/// `pods`, `pods/log`, `pods/*`, `*/scale` or `*`.
fn resource_fits(pattern: &str, target: &ResourceTarget) -> bool {
    if pattern == "*" {
        return true;
    }
    let (resource, subresource) = (&*target.resource, &*target.subresource);
    match pattern.split_once('/') {
        None => pattern == resource && subresource.is_empty(),
        // As upstream: all subresources, and the resource itself.
        Some((name, "*")) => name == resource,
        Some(("*", sub)) => !subresource.is_empty() && sub == subresource,
        Some((name, sub)) => name == resource && sub == subresource,
    }
}

/// A path, a prefix that ends in `*`, or `*`.
fn path_fits(spec: &str, path: &str) -> bool {
    spec == path || (spec.ends_with('*') && path.starts_with(spec.trim_end_matches('*')))
}

fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|item| item == text)
}
