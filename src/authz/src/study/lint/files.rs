//! Rules of policy files.

use super::{Finder, Finding, Level, risks};
use crate::files::{Effect, Pattern, Rule, Who};

pub(super) fn lint(rule: &Rule, findings: &mut Vec<Finding>) {
    if rule.effect == Effect::Deny {
        return;
    }
    let file = &*rule.origin.file;
    let mut find = Finder { findings, subject: rule.to_string(), file, line: rule.origin.line };
    let open = |patterns: &[Pattern]| patterns.iter().any(Pattern::is_anything);
    let is_line = file.ends_with(".jsonl") || file.ends_with(".abac");
    if let Some(resources) = &rule.resources {
        let everything = open(&resources.resources) && open(&resources.groups);
        if open(&rule.verbs) && everything {
            let what = "all verbs on all resources, bind, escalate and impersonate among them";
            find.find("wildcard", Level::Error, what);
        }
        if !everything {
            let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
            risks::lint(&mut find, !resources.names.is_empty(), |verb, group, resource| {
                any(&rule.verbs, verb) && any(&resources.groups, group) && any(&resources.resources, resource)
            });
        }
        if is_line && !open(&resources.resources) {
            let what = "attribute lines do not tell subresources apart: exec, log and proxy are included";
            find.find("broad-line", Level::Note, what);
        }
        if is_line && resources.namespaces.iter().all(|p| p.as_str().is_empty()) {
            let what =
                "without a namespace it is for lists of all namespaces, and for nothing in any of them";
            find.find("broad-line", Level::Warning, what);
        }
        if rule.subjects.iter().any(is_everybody) {
            find.find("open-to-all", Level::Warning, "it is for everybody");
        }
    }
}

fn is_everybody(who: &Who) -> bool {
    let all = |pattern: &Option<Pattern>| {
        pattern.as_ref().is_some_and(|p| p.is_anything() || p.matches("system:authenticated"))
    };
    all(&who.user) && who.group.is_none() || all(&who.group) && who.user.is_none()
}
