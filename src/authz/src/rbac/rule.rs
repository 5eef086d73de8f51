//! One policy rule, and what it allows.

use portcullis_api::Value;
use serde::Serialize;

use crate::attributes::{Attributes, Resource, Subject};

/// A list of words of a rule.
pub type Words = Box<[Box<str>]>;

/// A rule of a role: verbs on resources, or verbs on paths.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups; `*` is all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub api_groups: Words,
    /// Paths; `*` at the end is any rest.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "<[_]>::is_empty")]
    pub non_resource_urls: Words,
    /// Names; empty is all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub resource_names: Words,
    /// Resources, with subresource after a slash; `*` is all, `*/scale` that subresource of all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub resources: Words,
    /// Verbs; `*` is all.
    pub verbs: Words,
}

impl Rule {
    /// Reads an entry of `rules`.
    pub fn from_value(value: &Value) -> Self {
        Self {
            api_groups: words(value, "apiGroups"),
            non_resource_urls: words(value, "nonResourceURLs"),
            resource_names: words(value, "resourceNames"),
            resources: words(value, "resources"),
            verbs: words(value, "verbs"),
        }
    }

    /// Reads a role's `rules`.
    pub fn list(rules: Option<&Value>) -> Box<[Self]> {
        rules.and_then(Value::as_array).into_iter().flatten().map(Self::from_value).collect()
    }

    /// Everything that can be allowed.
    pub fn full_authority() -> [Self; 2] {
        let all = || Words::from([Box::from("*")]);
        let resources = Self { api_groups: all(), resources: all(), verbs: all(), ..Self::default() };
        [resources, Self { non_resource_urls: all(), verbs: all(), ..Self::default() }]
    }

    /// The entry of `rules` this is.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whether the rule allows something.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        has_or_star(&self.verbs, attributes.verb)
            && match attributes.subject {
                Subject::Path(path) => self.non_resource_urls.iter().any(|rule| url_matches(rule, path)),
                Subject::Resource(resource) => self.allows_resource(&resource),
            }
    }

    fn allows_resource(&self, asked: &Resource<'_>) -> bool {
        has_or_star(&self.api_groups, asked.group)
            && self.resources.iter().any(|rule| resource_matches(rule, asked.resource, asked.subresource))
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|n| &**n == asked.name))
    }
}

/// Reads a list of words.
pub(crate) fn words(value: &Value, field: &str) -> Words {
    let list = value.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(Box::from).collect()
}

fn has_or_star(words: &[Box<str>], word: &str) -> bool {
    words.iter().any(|w| &**w == word || &**w == "*")
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    if subresource.is_empty() {
        return rule == resource;
    }
    let of_this = |resource: &str| rule.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/'));
    of_this(resource) == Some(subresource) || of_this("*") == Some(subresource)
}

/// Whether a rule's path is or begins an asked path. Several stars at the end count as one.
pub(crate) fn url_matches(rule: &str, path: &str) -> bool {
    rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}
