//! Who can do what matters, namespace by namespace, tenant by tenant.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_api::Value;
use portcullis_authz::attributes::Resource;
use portcullis_authz::study::Studied;
use portcullis_authz::{Attributes, Authorities};

use super::breakable;

/// What is asked of every namespace.
const QUESTIONS: [(&str, &str, &str, &str); 6] = [
    ("reads secrets", "get", "", "secrets"),
    ("runs commands in pods", "create", "", "pods/exec"),
    ("makes pods", "create", "", "pods"),
    ("mints tokens", "create", "", "serviceaccounts/token"),
    ("gives roles", "create", "rbac.authorization.k8s.io", "rolebindings"),
    ("deletes workloads", "deletecollection", "apps", "deployments"),
];
/// More names than this in a cell are counted.
const NAMED: usize = 6;
/// So many of whom can everywhere are named: there they matter most.
const NAMED_EVERYWHERE: usize = 40;

type Answers = Vec<Vec<String>>;

pub(super) fn write(out: &mut String, studied: &Studied, authorities: &Authorities, tenant: &str) {
    out.push_str(
        "<h2 id=who>Who can, by namespace</h2><p class=dim>The group system:masters can do everything and is left out. \
         A namespace names whom the whole cluster does not.</p><table><thead><tr><th class=first>",
    );
    for (question, ..) in QUESTIONS {
        let _ = write!(out, "<th>{question}");
    }
    out.push_str("</thead>");
    let everywhere: Answers = QUESTIONS.iter().map(|question| who(authorities, question, "")).collect();
    out.push_str("<tbody>");
    row(out, "the whole cluster", &everywhere, NAMED_EVERYWHERE);
    out.push_str("</tbody>");
    for (of, namespaces) in by_tenant(studied, tenant) {
        tenant_rows(out, authorities, &of, &namespaces, &everywhere);
    }
    out.push_str("</table>");
}

/// Namespaces by tenant; those without one come last, under no name.
fn by_tenant(studied: &Studied, label: &str) -> Vec<(String, Vec<String>)> {
    let mut tenants: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for namespace in studied.namespaces() {
        let of = studied.label_of(&namespace, label).unwrap_or_default().to_owned();
        tenants.entry(of).or_default().push(namespace);
    }
    let nobodys = tenants.remove("");
    tenants.into_iter().chain(nobodys.map(|list| (String::new(), list))).collect()
}

fn tenant_rows(
    out: &mut String,
    authorities: &Authorities,
    of: &str,
    namespaces: &[String],
    everywhere: &Answers,
) {
    out.push_str("<tbody>");
    if !of.is_empty() {
        let _ = write!(out, "<tr class=tenant><th colspan=7>tenant {}</tr>", breakable(of));
    }
    let mut closed = Vec::new();
    for namespace in namespaces {
        let beyond = |(question, everywhere): (&_, &Vec<String>)| {
            let mut who = who(authorities, question, namespace);
            who.retain(|name| everywhere.binary_search(name).is_err());
            who
        };
        let own: Answers = QUESTIONS.iter().zip(everywhere).map(beyond).collect();
        if own.iter().any(|who| !who.is_empty()) {
            row(out, namespace, &own, NAMED);
        } else {
            closed.push(breakable(namespace));
        }
    }
    if !closed.is_empty() {
        let closed = closed.join(", ");
        let _ = write!(
            out,
            "<tr><td colspan=7 class=dim>nobody beyond those of the whole cluster: {closed}</tr>"
        );
    }
    out.push_str("</tbody>");
}

fn row(out: &mut String, place: &str, answers: &Answers, named: usize) {
    let _ = write!(out, "<tr><th>{}", breakable(place));
    for names in answers {
        let shown: Vec<String> = names.iter().take(named).map(|name| breakable(name)).collect();
        let _ = write!(out, "<td>{}", shown.join("<br>"));
        match names.len().saturating_sub(named) {
            0 if names.is_empty() => out.push_str("<span class=dim>nobody</span>"),
            0 => {}
            more => {
                let _ = write!(out, "<br><span class=dim>and {more} more</span>");
            }
        }
    }
    out.push_str("</tr>");
}

/// Sorted, each once.
fn who(authorities: &Authorities, question: &(&str, &str, &str, &str), namespace: &str) -> Vec<String> {
    let (_, verb, group, whole) = question;
    let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
    let asked = Resource { group, version: "*", namespace, resource, subresource, ..Resource::default() };
    let told = authorities.who_can(&Attributes::resource(verb, asked));
    let subjects = told.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let mut names: Vec<String> = subjects
        .filter(|subject| subject.get("refused").and_then(Value::as_bool) != Some(true))
        .filter_map(|subject| {
            let kind = subject.get("kind")?.as_str()?.to_lowercase();
            Some(format!("{kind} {}", subject.get("name")?.as_str()?))
        })
        .filter(|name| name != "group system:masters")
        .collect();
    names.sort();
    names.dedup();
    names
}
