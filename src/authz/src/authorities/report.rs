//! What there is to say of the authorizers: how they fare, who may do something, what nobody uses.

use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::Authorities;
use crate::attributes::Attributes;
use crate::chain::{Authorizer as _, MASTERS};
use crate::files::{Effect, Pattern, PolicyFiles, Rule, Says, Text, Who};
use crate::rbac::Grant;
use crate::shadow::{Flip, Shadow};
use crate::used::Used;

impl Authorities {
    /// How the chain and its files fare.
    pub fn report(&self) -> Value {
        json!({
            "chain": self.chain.names(),
            "configuration": self.configured.as_ref().map(|configured| configured.status()),
            "sets": self.files.iter().map(set).collect::<Vec<_>>(),
            "shadow": self.chain.shadowing().map(shadow),
        })
    }

    /// The policy files that decide, as they were read; `format` is `rules` or `attributes`.
    pub fn sources(&self) -> Value {
        let file = |text: Text| {
            let format = if text.is_abac { "attributes" } else { "rules" };
            json!({ "file": text.name, "format": format, "text": &*text.text })
        };
        let files: Vec<Value> = self.deciding_files().iter().flat_map(PolicyFiles::texts).map(file).collect();
        json!({ "files": files })
    }

    /// Everything that allows something, and how often it did since the start.
    pub fn uses(&self) -> Value {
        let rules = self.files.iter().flat_map(PolicyFiles::rules_in_order);
        let rules: Vec<Value> = rules.map(|rule| with_use(place(&rule), &rule.used)).collect();
        let mut bindings = Vec::new();
        self.rbac.visit_bindings(|grant| bindings.push(with_use(binding(grant), grant.used())));
        json!({"rules": rules, "bindings": bindings})
    }

    /// Everybody who may do something, as far as they can be named: by which authorizer, and which deny rules
    /// may stand against some of them.
    pub fn who_can(&self, asked: &Attributes<'_>) -> Value {
        let mut subjects = vec![json!({"kind": "Group", "name": MASTERS, "by": MASTERS})];
        // What a node of which nothing is known may do, all may.
        let any = UserInfo::new("system:node:any-other", ["system:nodes"]);
        if self.nodes.decide(&any, asked).is_allowed() {
            subjects.push(json!({"kind": "User", "name": "system:node:*", "by": "Node"}));
        } else {
            for node in self.nodes.who_can(asked) {
                subjects.push(json!({"kind": "User", "name": format!("system:node:{node}"), "by": "Node"}));
            }
        }
        let mut except = Vec::new();
        for rule in self.deciding_rules() {
            match (rule.about(asked, &self.labels), rule.effect) {
                (Says::Nothing, _) | (Says::Unclear(_), Effect::Allow) => {}
                (_, Effect::Deny) => except.push(told_rule(&rule)),
                (Says::Decides, Effect::Allow) => {
                    subjects.extend(rule.subjects.iter().map(|who| subject(who, &rule)));
                }
            }
        }
        self.rbac.visit_who_can(asked, |kind, name, grant| {
            let mut told = json!({"kind": kind, "name": name, "by": "RBAC", "grant": binding(grant)});
            if kind == "User" && self.refuses(name, asked) {
                tell(&mut told, "refused", true);
            }
            subjects.push(told);
        });
        let mut told = json!({"subjects": subjects, "unless": except});
        self.tell_webhooks(&mut told);
        told
    }

    /// What a user may do in a namespace as far as it can be listed, and the deny rules that are for the user.
    pub fn can(&self, user: &UserInfo, namespace: &str) -> Value {
        let mut told = self.chain.rules(user, namespace).to_status();
        let refusals = self.deciding_rules().filter(|rule| rule.effect == Effect::Deny);
        let mine = refusals.filter(|rule| rule.subjects.iter().any(|who| who.is(user)));
        let unless: Vec<Value> = mine.map(|rule| told_rule(&rule)).collect();
        tell(&mut told, "unless", unless);
        self.tell_webhooks(&mut told);
        told
    }

    /// Nobody can list what a webhook allows or denies: it has to be asked about each of them.
    fn tell_webhooks(&self, told: &mut Value) {
        let webhooks: Vec<Value> = self.chain.webhooks().iter().map(|webhook| webhook.caveat()).collect();
        if !webhooks.is_empty() {
            tell(told, "incomplete", true);
            tell(told, "ask", webhooks);
        }
    }

    /// The rules of all files that are not only tried out.
    fn deciding_rules(&self) -> impl Iterator<Item = std::sync::Arc<Rule>> {
        self.deciding_files().iter().flat_map(PolicyFiles::rules_in_order)
    }

    /// Files that are tried out come last.
    fn deciding_files(&self) -> &[PolicyFiles] {
        let tried = usize::from(self.chain.shadowing().is_some());
        let deciding = self.files.len().saturating_sub(tried);
        self.files.get(..deciding).unwrap_or_default()
    }

    /// Whether a deny rule stands against a user named outright.
    fn refuses(&self, name: &str, asked: &Attributes<'_>) -> bool {
        let user = UserInfo::new(name, ["system:authenticated"]);
        self.chain.refuses(&user, asked)
    }
}

fn set(files: &PolicyFiles) -> Value {
    let status = files.status();
    json!({
        "name": files.name(),
        "files": status.files,
        "rules": status.rules,
        "loaded": status.loaded.map(|at| at.to_string()),
        "loads": status.loads,
        "failures": status.failures,
        "error": status.error,
        "warnings": status.warnings,
    })
}

fn shadow(shadow: &Shadow) -> Value {
    let (refuse, allow) = shadow.counts();
    let example = |flip: &Flip| {
        json!({
            "user": &*flip.user,
            "verb": flip.info.verb.as_str(),
            "path": &*flip.info.path,
            "would": if flip.would_allow { "allow" } else { "refuse" },
        })
    };
    json!({
        "wouldRefuse": refuse,
        "wouldAllow": allow,
        "examples": shadow.examples().iter().map(example).collect::<Vec<_>>(),
    })
}

fn place(rule: &Rule) -> Value {
    json!({"file": &*rule.origin.file, "line": rule.origin.line, "rule": rule.name, "effect": rule.effect.as_str()})
}

fn told_rule(rule: &Rule) -> Value {
    let mut told = place(rule);
    tell(&mut told, "subjects", rule.subjects.iter().map(words).collect::<Vec<_>>());
    told
}

fn binding(grant: &Grant) -> Value {
    let ((namespace, name), (kind, role)) = (grant.binding(), grant.role());
    let binding = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({"kind": binding, "namespace": namespace, "name": name, "role": {"kind": kind, "name": role}})
}

fn with_use(mut told: Value, used: &Used) -> Value {
    tell(&mut told, "used", used.count());
    tell(&mut told, "last", used.last());
    told
}

/// Adds a field to what is told.
pub(crate) fn tell(told: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(told) = told.as_object_mut() {
        told.insert(field.to_owned(), value.into());
    }
}

fn words(who: &Who) -> String {
    let side = |kind: &str, pattern: &Option<Pattern>| {
        pattern.as_ref().map(|pattern| format!("{kind}:{}", pattern.as_str()))
    };
    let sides = [side("user", &who.user), side("group", &who.group)];
    sides.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn subject(who: &Who, rule: &Rule) -> Value {
    let (kind, name) = match (&who.user, &who.group) {
        (Some(user), None) => ("User", user.as_str().to_owned()),
        (None, Some(group)) => ("Group", group.as_str().to_owned()),
        _ => ("User and Group", words(who)),
    };
    json!({"kind": kind, "name": name, "by": "policy file", "grant": place(rule)})
}

#[cfg(test)]
mod tests;
