//! What is risky, broken or without effect, each with its place.

use std::collections::HashSet;

use portcullis_api::Value;
use serde_json::json;

use super::read::{Placed, Studied};
use crate::files::{Effect, Pattern, Rule as FileRule};
use crate::rbac::Rule;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Whoever has it has the cluster, or it is broken.
    Error,
    /// More than it may seem.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its kind; see [`CHECKS`].
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What and where, for people.
    pub message: String,
    /// The file.
    pub file: String,
    /// From 1; 0 if it has no line.
    pub line: u64,
}

/// The kinds of findings.
const CHECKS: [(&str, &str); 11] = [
    ("wildcard", "a rule gives all verbs or all resources"),
    ("escalate", "a rule lets its holder give or take more than the holder has"),
    ("impersonate", "a rule lets its holder act as others"),
    ("node-proxy", "a rule reaches kubelets directly, past audit and admission"),
    ("token-minting", "a rule lets its holder mint or read credentials of others"),
    ("dangling-binding", "a binding names a role that does not exist"),
    ("open-to-all", "a binding or rule is for everybody"),
    ("masters", "a binding to system:masters changes nothing"),
    ("no-effect", "a rule or binding can never decide"),
    ("broad-line", "an attribute line gives more than it names"),
    ("policy-file", "a policy file's rule is probably not meant so"),
];

/// Checks everything but what every cluster starts with.
pub fn lint(studied: &Studied) -> Vec<Finding> {
    let mut findings = Vec::new();
    let roles: HashSet<(&str, &str, &str)> = studied
        .objects
        .iter()
        .filter(|placed| is_role(placed))
        .map(|placed| (&*placed.resource.resource, placed.object.namespace(), placed.object.name()))
        .collect();
    for placed in studied.objects.iter().filter(|placed| placed.line > 0) {
        if is_role(placed) {
            lint_role(placed, &mut findings);
        } else {
            lint_binding(placed, &roles, &mut findings);
        }
    }
    for rule in &studied.rules {
        lint_line(rule, &mut findings);
    }
    for warning in studied.authorities().files.iter().flat_map(|files| files.status().warnings) {
        let (file, line) = place(&warning);
        findings.push(Finding { id: "policy-file", level: Level::Warning, message: warning, file, line });
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.level).cmp(&(&b.file, b.line, b.level)));
    findings
}

/// The findings as SARIF 2.1.0, which code hosts and editors show.
pub fn sarif(findings: &[Finding]) -> Value {
    let rules = CHECKS.map(|(id, text)| json!({"id": id, "shortDescription": {"text": text}}));
    let results: Vec<Value> = findings.iter().map(sarif_result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}

fn sarif_result(finding: &Finding) -> Value {
    let level = match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    };
    let location = json!({"physicalLocation": {
        "artifactLocation": {"uri": finding.file},
        "region": {"startLine": finding.line.max(1)},
    }});
    json!({"ruleId": finding.id, "level": level, "message": {"text": finding.message}, "locations": [location]})
}

/// `... (FILE:LINE): ...`, as rules tell their place.
fn place(warning: &str) -> (String, u64) {
    let inside = warning.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(place, _)| place);
    let split = inside.and_then(|place| place.rsplit_once(':'));
    split.and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?))).unwrap_or_default()
}

fn is_role(placed: &Placed) -> bool {
    placed.resource.resource.ends_with("roles")
}

fn told(placed: &Placed) -> String {
    match placed.object.namespace() {
        "" => format!("{} {}", placed.object.kind(), placed.object.name()),
        namespace => format!("{} {namespace}/{}", placed.object.kind(), placed.object.name()),
    }
}

fn lint_role(placed: &Placed, findings: &mut Vec<Finding>) {
    let mut find = |id, level, what: &str| {
        let message = format!("{}: {what}", told(placed));
        findings.push(Finding { id, level, message, file: placed.file.to_string(), line: placed.line });
    };
    for rule in &Rule::list(placed.object.get("rules")) {
        let verb = |word: &str| rule.verbs.iter().any(|v| &**v == word || &**v == "*");
        let named_verb = |word: &str| rule.verbs.iter().any(|v| &**v == word);
        let about = |group: &str, resource: &str| {
            rule.api_groups.iter().any(|g| &**g == group || &**g == "*")
                && rule.resources.iter().any(|r| &**r == resource || &**r == "*")
        };
        let all_resources = rule.resources.iter().any(|r| &**r == "*");
        if named_verb("*") && all_resources {
            find("wildcard", Level::Error, "all verbs on all resources");
        } else if named_verb("*") || all_resources {
            find("wildcard", Level::Warning, "a star also gives what is added later");
        }
        if rule.resources.iter().any(|r| r.ends_with("/*") && &**r != "*/*") {
            find("no-effect", Level::Warning, "RESOURCE/* is no wildcard of RBAC: it matches nothing");
        }
        if all_resources && named_verb("*") {
            continue;
        }
        if (verb("escalate") || verb("bind"))
            && (about(crate::rbac::GROUP, "clusterroles") || about(crate::rbac::GROUP, "roles"))
        {
            find("escalate", Level::Error, "escalate or bind on roles gives any right");
        }
        if named_verb("impersonate") {
            find("impersonate", Level::Error, "impersonate lets its holder act as others");
        }
        if about("", "nodes/proxy") {
            find("node-proxy", Level::Error, "nodes/proxy runs commands in any pod of a node");
        }
        if verb("create") && about("", "serviceaccounts/token") {
            find(
                "token-minting",
                Level::Error,
                "serviceaccounts/token gives the rights of any account there",
            );
        }
        if about("", "secrets")
            && ["get", "list", "watch"].into_iter().any(verb)
            && rule.resource_names.is_empty()
        {
            find("token-minting", Level::Warning, "reading all secrets reads all tokens kept in them");
        }
        if about("certificates.k8s.io", "certificatesigningrequests/approval")
            && (verb("update") || verb("patch"))
        {
            find("token-minting", Level::Warning, "approving requests issues certificates for others");
        }
    }
}

fn lint_binding(placed: &Placed, roles: &HashSet<(&str, &str, &str)>, findings: &mut Vec<Finding>) {
    let mut find = |id, level, what: String| {
        let message = format!("{}: {what}", told(placed));
        findings.push(Finding { id, level, message, file: placed.file.to_string(), line: placed.line });
    };
    let (kind, role) =
        (placed.object.str_at(&["roleRef", "kind"]), placed.object.str_at(&["roleRef", "name"]));
    let known = match kind {
        "ClusterRole" => roles.contains(&("clusterroles", "", role)),
        _ => roles.contains(&("roles", placed.object.namespace(), role)),
    };
    if !known {
        find(
            "dangling-binding",
            Level::Error,
            format!("the {kind} {role} does not exist: whoever makes it fills it"),
        );
    }
    let subjects =
        placed.object.get("subjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if subjects.is_empty() {
        find("no-effect", Level::Warning, "it binds nobody".to_owned());
    }
    for subject in subjects {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        match (text("kind"), text("name")) {
            ("Group", "system:masters") => {
                find("masters", Level::Note, "system:masters may do everything without it".to_owned());
            }
            ("Group", name @ ("system:unauthenticated" | "system:authenticated"))
            | ("User", name @ "system:anonymous") => {
                let level = if name == "system:authenticated" { Level::Warning } else { Level::Error };
                find("open-to-all", level, format!("it is for everybody: {name}"));
            }
            _ => {}
        }
    }
}

fn lint_line(rule: &FileRule, findings: &mut Vec<Finding>) {
    if rule.effect == Effect::Deny {
        return;
    }
    let (file, line) = (rule.origin.file.to_string(), rule.origin.line);
    let mut find = |id, level, what: &str| {
        findings.push(Finding { id, level, message: format!("{rule}: {what}"), file: file.clone(), line });
    };
    let open = |patterns: &[Pattern]| patterns.iter().any(Pattern::is_anything);
    if let Some(resources) = &rule.resources {
        let (verbs, everything) = (open(&rule.verbs), open(&resources.resources) && open(&resources.groups));
        if verbs && everything {
            find(
                "wildcard",
                Level::Error,
                "all verbs on all resources, bind, escalate and impersonate among them",
            );
        }
        let has = |verb: &str, resource: &str| {
            rule.verbs.iter().any(|p| p.matches(verb))
                && resources.resources.iter().any(|p| p.matches(resource))
        };
        if !everything && has("get", "nodes/proxy") {
            find("node-proxy", Level::Error, "nodes/proxy runs commands in any pod of a node");
        }
        if !everything && has("create", "serviceaccounts/token") {
            find(
                "token-minting",
                Level::Error,
                "serviceaccounts/token gives the rights of any account there",
            );
        }
    }
    let is_line = file.ends_with(".jsonl") || file.ends_with(".abac");
    if is_line && rule.resources.as_ref().is_some_and(|r| !open(&r.resources)) {
        find(
            "broad-line",
            Level::Note,
            "attribute lines do not tell subresources apart: exec, log and proxy are included",
        );
    }
    let everybody = |who: &crate::files::Who| {
        let all = |p: &Option<Pattern>| {
            p.as_ref().is_some_and(|p| p.is_anything() || p.matches("system:authenticated"))
        };
        all(&who.user) && who.group.is_none() || all(&who.group) && who.user.is_none()
    };
    if rule.subjects.iter().any(everybody) && rule.resources.is_some() {
        find("open-to-all", Level::Warning, "it is for everybody");
    }
}
