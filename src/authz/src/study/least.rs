//! The smallest roles that allow what somebody did: made from an audit log, to be read before they are used.
//!
//! Only what was allowed counts: what was refused then is no need that policy agreed to. Objects are named where the
//! verb is about named ones; a role that names them does not grow with the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::replay::Request;
use crate::attributes::Subject;

/// As many names as a rule lists; more show that names are not what the need is about.
const MOST_NAMES: usize = 20;

/// What one user did.
pub struct Least {
    user: String,
    /// By namespace, group, resource with subresource and verb: the names.
    resources: BTreeMap<(String, String, String, String), BTreeSet<String>>,
    /// By path: the verbs.
    paths: BTreeMap<String, BTreeSet<String>>,
}

impl Least {
    /// Nothing yet of this user.
    pub fn new(user: &str) -> Self {
        Self { user: user.to_owned(), resources: BTreeMap::new(), paths: BTreeMap::new() }
    }

    /// Notes an event of the log, a line of JSON.
    pub fn note(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return };
        let Some(request) = Request::of(&event).filter(|request| request.allowed) else { return };
        if *request.user.name != *self.user {
            return;
        }
        let asked = request.asked();
        match &asked.subject {
            Subject::Path(path) => {
                self.paths.entry((*path).to_owned()).or_default().insert(asked.verb.to_owned());
            }
            Subject::Resource(resource) => {
                let whole = match resource.subresource {
                    "" => resource.resource.to_owned(),
                    sub => format!("{}/{sub}", resource.resource),
                };
                let key =
                    (resource.namespace.to_owned(), resource.group.to_owned(), whole, asked.verb.to_owned());
                // A creation is decided before its name is known.
                let name = if asked.verb == "create" && resource.subresource.is_empty() {
                    ""
                } else {
                    resource.name
                };
                self.resources.entry(key).or_default().insert(name.to_owned());
            }
        }
    }

    /// The roles with their bindings, as YAML.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        let namespaces: BTreeSet<&str> = self.resources.keys().map(|(namespace, ..)| &**namespace).collect();
        for namespace in namespaces.iter().copied().filter(|namespace| !namespace.is_empty()) {
            self.write(&mut out, "Role", namespace, self.rules(namespace));
        }
        let mut whole = if namespaces.contains("") { self.rules("") } else { Vec::new() };
        whole.extend(
            self.paths.iter().map(|(path, verbs)| json!({"nonResourceURLs": [path], "verbs": verbs})),
        );
        if !whole.is_empty() {
            self.write(&mut out, "ClusterRole", "", whole);
        }
        out
    }

    fn rules(&self, namespace: &str) -> Vec<Value> {
        // Verbs and resources that are asked of the same names are one rule.
        let mut rules: BTreeMap<(&str, &str, Vec<&str>), BTreeSet<&str>> = BTreeMap::new();
        for ((of, group, resource, verb), names) in &self.resources {
            if of == namespace {
                let open = names.contains("") || names.len() > MOST_NAMES;
                let names = if open { Vec::new() } else { names.iter().map(String::as_str).collect() };
                rules.entry((group, resource, names)).or_default().insert(verb);
            }
        }
        let told = rules.into_iter().map(|((group, resource, names), verbs)| {
            let mut rule = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
            if !names.is_empty()
                && let Some(rule) = rule.as_object_mut()
            {
                rule.insert("resourceNames".into(), json!(names));
            }
            rule
        });
        told.collect()
    }

    fn write(&self, out: &mut String, kind: &str, namespace: &str, rules: Vec<Value>) {
        let user = UserInfo::new(&self.user, [""; 0]);
        let subject = match user.service_account() {
            Some((namespace, name)) => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
            None => json!({"kind": "User", "apiGroup": crate::rbac::GROUP, "name": self.user}),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = self.user.chars().map(plain).collect();
        let name = format!("least-{}", name.trim_matches('-'));
        let mut metadata = json!({"name": name});
        if let Some(metadata) = metadata.as_object_mut().filter(|_| !namespace.is_empty()) {
            metadata.insert("namespace".into(), namespace.into());
        }
        let version = format!("{}/v1", crate::rbac::GROUP);
        let role = json!({"kind": kind, "apiGroup": crate::rbac::GROUP, "name": name});
        let objects = [
            json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}),
            json!({"apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata, "roleRef": role, "subjects": [subject]}),
        ];
        for object in objects {
            // JSON is YAML; each rule on a line of its own is all the layout it needs.
            let text = serde_json::to_string_pretty(&object).unwrap_or_default();
            let _ = write!(out, "---\n{text}\n");
        }
    }
}
