//! Roles and bindings.

use std::collections::HashSet;

use portcullis_api::{Object, Value};

use super::{Finder, Finding, Level, risks};
use crate::policies::bootstrap_objects;
use crate::rbac::Rule;
use crate::study::read::{Placed, Studied};

const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// What exists.
struct Known<'s> {
    roles: HashSet<(&'s str, &'s str, &'s str)>,
    /// Empty where the files hold no namespace.
    namespaces: HashSet<&'s str>,
}

pub(super) fn lint(studied: &Studied, findings: &mut Vec<Finding>) {
    let roles = studied.objects.iter().filter(|placed| is_role(placed));
    let known = Known {
        roles: roles
            .map(|placed| (&*placed.resource.resource, placed.object.namespace(), placed.object.name()))
            .collect(),
        namespaces: studied.own_namespaces().collect(),
    };
    for placed in studied.objects.iter().filter(|placed| placed.line > 0 || !is_built_in(placed)) {
        let mut find = Finder { findings, subject: told(placed), file: &placed.file, line: placed.line };
        if is_role(placed) {
            lint_role(placed, &mut find);
        } else {
            lint_binding(placed, &known, &mut find);
        }
    }
}

/// Whether every server has it, just so. Who changed one is told what it has become.
fn is_built_in(placed: &Placed) -> bool {
    let says = |object: &Object, field: &str| object.get(field).cloned().unwrap_or_default();
    bootstrap_objects().iter().any(|(gvr, object)| {
        let same = |field: &&str| says(object, field) == says(&placed.object, field);
        // The rules of a role that gathers others' are what those say.
        let fields: &[&str] = match object.get("aggregationRule") {
            Some(_) => &["aggregationRule"],
            None => &["rules", "roleRef", "subjects"],
        };
        object.name() == placed.object.name()
            && object.namespace() == placed.object.namespace()
            && gvr.group_resource() == placed.resource
            && fields.iter().all(same)
    })
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

fn lint_role(placed: &Placed, find: &mut Finder<'_>) {
    let labels = placed.object.metadata().and_then(|meta| meta.get("labels")).and_then(Value::as_object);
    for label in
        labels.into_iter().flatten().filter(|(key, value)| key.starts_with(AGGREGATE) && *value == "true")
    {
        let role = label.0.strip_prefix(AGGREGATE).unwrap_or_default();
        find.find("aggregated", Level::Warning, &format!("everybody who has {role} has it too"));
    }
    for rule in &Rule::list(placed.object.get("rules")) {
        let has = |words: &[Box<str>], word: &str| words.iter().any(|w| &**w == word);
        let (all_verbs, all_resources) = (has(&rule.verbs, "*"), has(&rule.resources, "*"));
        if all_verbs && all_resources {
            find.find("wildcard", Level::Error, "all verbs on all resources");
        } else if all_verbs || all_resources {
            find.find("wildcard", Level::Warning, "a star also gives what is added later");
        }
        if rule.resources.iter().any(|r| r.ends_with("/*") && &**r != "*/*") {
            find.find("no-effect", Level::Warning, "RESOURCE/* is no wildcard of RBAC: it matches nothing");
        }
        if all_verbs && all_resources {
            continue;
        }
        risks::lint(find, !rule.resource_names.is_empty(), |verb, group, resource| {
            // A star over all verbs does not say impersonate: whoever wrote it is told of the star.
            let verb = has(&rule.verbs, verb) || (all_verbs && verb != "impersonate");
            let base = resource.strip_suffix("/*");
            let resource = all_resources
                || match base {
                    Some(base) => rule.resources.iter().any(|r| r.split('/').next() == Some(base)),
                    None => has(&rule.resources, resource),
                };
            verb && resource && (has(&rule.api_groups, group) || has(&rule.api_groups, "*"))
        });
    }
}

fn lint_binding(placed: &Placed, known: &Known<'_>, find: &mut Finder<'_>) {
    let text = |field: &str| placed.object.str_at(&["roleRef", field]);
    let (kind, role) = (text("kind"), text("name"));
    let exists = match kind {
        "ClusterRole" => known.roles.contains(&("clusterroles", "", role)),
        _ => known.roles.contains(&("roles", placed.object.namespace(), role)),
    };
    if !exists {
        let what = format!("the {kind} {role} does not exist: whoever makes it fills it");
        find.find("dangling-binding", Level::Error, &what);
    }
    if (kind, role) == ("ClusterRole", "cluster-admin") {
        let whole = placed.object.namespace().is_empty();
        let (level, what) = match whole {
            true => (Level::Error, "its subjects may do everything"),
            false => (Level::Warning, "its subjects may do everything in the namespace"),
        };
        find.find("cluster-admin", level, what);
    }
    let subjects = placed.object.get("subjects").and_then(Value::as_array);
    let subjects = subjects.map(Vec::as_slice).unwrap_or_default();
    if subjects.is_empty() {
        find.find("no-effect", Level::Warning, "it binds nobody");
    }
    for subject in subjects {
        lint_subject(subject, placed.object.namespace(), known, find);
    }
}

fn lint_subject(subject: &Value, namespace: &str, known: &Known<'_>, find: &mut Finder<'_>) {
    let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("kind"), text("name")) {
        ("Group", "system:masters") => {
            find.find("masters", Level::Note, "system:masters may do everything without it");
        }
        ("Group", name @ ("system:unauthenticated" | "system:authenticated"))
        | ("User", name @ "system:anonymous") => {
            let level = if name == "system:authenticated" { Level::Warning } else { Level::Error };
            find.find("open-to-all", level, &format!("it is for everybody: {name}"));
        }
        ("ServiceAccount", name) => {
            let own = if text("namespace").is_empty() { namespace } else { text("namespace") };
            if !known.namespaces.is_empty() && !known.namespaces.contains(own) {
                let what = format!("the namespace of the service account {own}/{name} does not exist");
                find.find("stale-subject", Level::Warning, &what);
            }
        }
        _ => {}
    }
}
