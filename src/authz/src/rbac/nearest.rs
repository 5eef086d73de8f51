//! What would have to be granted: roles a user has that almost allow something, and roles that would.

use std::collections::BTreeMap;

use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::index::RbacIndex;
use super::rule::Rule;
use crate::attributes::{Attributes, Resource, Subject};

/// How many of each are told.
const TOLD: usize = 5;

impl RbacIndex {
    /// What is nearest to allowing something that is not allowed.
    pub(crate) fn nearest(&self, user: &UserInfo, asked: &Attributes<'_>) -> Value {
        let mut almost = Vec::new();
        self.visit_granted(user, asked.namespace(), |binding, role, rules| {
            let lacks = rules.iter().find_map(|rule| lacks(rule, asked));
            if let Some(lacks) = lacks.filter(|_| almost.len() < TOLD) {
                let (namespace, name) = binding;
                let (kind, role) = role;
                almost.push(json!({
                    "binding": {"namespace": namespace, "name": name},
                    "role": {"kind": kind, "name": role},
                    "lacks": lacks,
                }));
            }
        });
        // The narrowest first: nobody should be given more than it takes.
        let mut roles: BTreeMap<(usize, String, String), Value> = BTreeMap::new();
        self.visit_roles(asked, |namespace, name, rules| {
            let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
            let width = rules.iter().map(width).sum();
            let told = json!({"kind": kind, "namespace": namespace, "name": name});
            roles.insert((width, kind.to_owned(), name.to_owned()), told);
        });
        let roles: Vec<Value> = roles.into_values().take(TOLD).collect();
        json!({"almost": almost, "roles": roles, "rule": rule_for(asked)})
    }
}

/// The one thing by which a rule misses what is asked, if it is one.
fn lacks(rule: &Rule, asked: &Attributes<'_>) -> Option<&'static str> {
    let Subject::Resource(resource) = &asked.subject else { return None };
    let any_verb = rule.verbs.first().map(|verb| &**verb).unwrap_or_default();
    if rule.allows(&asked.with_verb(any_verb)) {
        return Some("verb");
    }
    let first = |words: &[Box<str>]| words.first().map(|word| word.to_string()).unwrap_or_default();
    let with = |resource: Resource<'_>| rule.allows(&Attributes::resource(asked.verb, resource));
    if !rule.resource_names.is_empty() && with(Resource { name: &first(&rule.resource_names), ..*resource }) {
        return Some("name");
    }
    if with(Resource { group: &first(&rule.api_groups), ..*resource }) {
        return Some("apiGroup");
    }
    let other = first(&rule.resources);
    let (base, subresource) = other.split_once('/').unwrap_or((&other, ""));
    with(Resource { resource: base, subresource, ..*resource }).then_some("resource")
}

/// How much a rule opens; a star counts for many words.
fn width(rule: &Rule) -> usize {
    let of = |words: &[Box<str>]| {
        words.iter().map(|word| if word.contains('*') { 100 } else { 1 }).sum::<usize>().max(1)
    };
    let names = if rule.resource_names.is_empty() { 10 } else { 1 };
    let places = of(&rule.resources).max(of(&rule.non_resource_urls));
    of(&rule.verbs).saturating_mul(of(&rule.api_groups)).saturating_mul(places).saturating_mul(names)
}

/// The least rule that would allow it.
fn rule_for(asked: &Attributes<'_>) -> Value {
    match &asked.subject {
        Subject::Path(path) => json!({"nonResourceURLs": [path], "verbs": [asked.verb]}),
        Subject::Resource(resource) => {
            let whole = match resource.subresource {
                "" => resource.resource.to_owned(),
                subresource => format!("{}/{subresource}", resource.resource),
            };
            json!({"apiGroups": [resource.group], "resources": [whole], "verbs": [asked.verb]})
        }
    }
}
