//! What is risky, broken or without effect, each with its place and what to do about it.
//!
//! ```text
//! risks     a table of what gives more than it seems to: for roles and for rules of policy files alike
//! objects   roles and bindings
//! files     rules of policy files
//! settings  configurations of a server that lie among the policies
//! ```

mod files;
mod objects;
mod risks;
pub(super) mod settings;
#[cfg(test)]
mod tests;

use std::fmt;

use portcullis_api::Value;
use serde_json::json;

use super::read::Studied;

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

/// The kinds of findings: what they are, and what to do about them.
const CHECKS: [(&str, &str, &str); 21] = [
    ("wildcard", "a rule gives all verbs or all resources", "name the verbs and resources that are needed"),
    (
        "escalate",
        "a rule lets its holder give or take more than the holder has",
        "leave escalate and bind to administrators; let others bind roles they hold",
    ),
    ("impersonate", "a rule lets its holder act as others", "name the users or groups in resourceNames"),
    (
        "node-proxy",
        "a rule reaches kubelets directly, past audit and admission",
        "give nodes/metrics, nodes/stats or nodes/log instead",
    ),
    (
        "token-minting",
        "a rule lets its holder mint or read credentials of others",
        "name the accounts or secrets in resourceNames",
    ),
    (
        "signing",
        "a rule lets its holder approve or sign certificates",
        "name the signer in resourceNames, and leave approval to a controller",
    ),
    (
        "run-in-pods",
        "a rule lets its holder run commands in pods, with their rights",
        "leave it to those who may have all rights of the pods' accounts",
    ),
    (
        "make-pods",
        "a rule lets its holder make pods, and so use every secret and account of the namespace",
        "keep what others must not use in another namespace",
    ),
    (
        "host-volumes",
        "a rule lets its holder make volumes, paths of hosts among them",
        "let a storage class provision volumes",
    ),
    (
        "admission",
        "a rule lets its holder see and change what all others write, or switch checks off",
        "leave configurations of admission to administrators",
    ),
    ("cluster-admin", "a binding gives everything to its subjects", "bind roles that name what is needed"),
    (
        "aggregated",
        "a role adds its rules to a role of every cluster",
        "bind the role itself, or make sure all holders of the other should have it",
    ),
    ("dangling-binding", "a binding names a role that does not exist", "make the role or delete the binding"),
    (
        "stale-subject",
        "a binding names a service account of a namespace that does not exist",
        "delete the subject: whoever makes the namespace gets its rights",
    ),
    ("open-to-all", "a binding or rule is for everybody", "name the groups that need it"),
    ("masters", "a binding to system:masters changes nothing", "delete the subject"),
    ("no-effect", "a rule or binding can never decide", "mend or delete it"),
    (
        "broad-line",
        "an attribute line gives more than it names",
        "write a rule or a role instead, where subresources are named",
    ),
    ("policy-file", "a policy file's rule is probably not meant so", "mend the rule"),
    (
        "authorizers",
        "the chain of authorizers lets more through than it should",
        "follow docs/operators/authorization.md",
    ),
    (
        "settings",
        "a setting leaves secrets readable or accesses unrecorded",
        "name a provider that encrypts, or a level that records",
    ),
];

impl Finding {
    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        CHECKS.iter().find(|(id, ..)| *id == self.id).map_or("", |(.., fix)| fix)
    }

    /// Where it is, for people: a file and a line, or what has no lines.
    pub fn place(&self) -> String {
        if self.line == 0 { self.file.clone() } else { format!("{}:{}", self.file, self.line) }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Collects what is found at one place.
struct Finder<'a> {
    findings: &'a mut Vec<Finding>,
    /// Begins every message.
    subject: String,
    file: &'a str,
    line: u64,
}

impl Finder<'_> {
    fn find(&mut self, id: &'static str, level: Level, what: &str) {
        let message = format!("{}: {what}", self.subject);
        let finding = Finding { id, level, message, file: self.file.to_owned(), line: self.line };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Checks everything but what every cluster starts with.
pub fn lint(studied: &Studied) -> Vec<Finding> {
    let mut findings = Vec::new();
    objects::lint(studied, &mut findings);
    for rule in &studied.rules {
        files::lint(rule, &mut findings);
    }
    for placed in &studied.settings {
        settings::lint(placed, &mut findings);
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
    let rules = CHECKS
        .map(|(id, text, fix)| json!({"id": id, "shortDescription": {"text": text}, "help": {"text": fix}}));
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
    let mut physical = json!({"artifactLocation": {"uri": finding.file}});
    if let (1.., Some(map)) = (finding.line, physical.as_object_mut()) {
        map.insert("region".into(), json!({"startLine": finding.line}));
    }
    let location = json!({"physicalLocation": physical});
    json!({"ruleId": finding.id, "level": finding.level.to_string(), "message": {"text": finding.message}, "locations": [location]})
}

/// `... (FILE:LINE): ...`, as rules tell their place.
fn place(warning: &str) -> (String, u64) {
    let inside = warning.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(place, _)| place);
    let split = inside.and_then(|place| place.rsplit_once(':'));
    split.and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?))).unwrap_or_default()
}
