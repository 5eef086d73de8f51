//! One page for an auditor: who can reach what, tenant by tenant, what is risky, what changed, and from which files.
//!
//! The page needs nothing else, runs no script, and prints.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis_authz::attributes::Resource;
use portcullis_authz::study::{self, Change, Finding, Level, Studied};
use portcullis_authz::{Attributes, Authorities};
use serde_json::Value;

use super::Report;
use crate::cli::{Failure, print};

/// What is asked of every namespace.
const QUESTIONS: [(&str, &str, &str, &str); 6] = [
    ("reads secrets", "get", "", "secrets"),
    ("runs commands in pods", "create", "", "pods/exec"),
    ("makes pods", "create", "", "pods"),
    ("mints tokens", "create", "", "serviceaccounts/token"),
    ("gives roles", "create", "rbac.authorization.k8s.io", "rolebindings"),
    ("deletes everything of a kind", "deletecollection", "apps", "deployments"),
];
/// More names than this in a cell are counted.
const NAMED: usize = 12;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d0d7de}\
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid #e4e8ec}\
th{background:#f6f8fa}.error{color:#b42318;font-weight:600}.warning{color:#9a6700}.note,.dim{color:#59636e}.gained{color:#b42318}.lost{color:#1a7f37}\
summary{cursor:pointer;font-weight:600;padding:.25rem 0}code{font-size:.85em}\
@media print{body{margin:0;max-width:none;font-size:11px}details{break-inside:avoid}h2{break-after:avoid}}";

pub(super) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let studied = super::offline::read(&arguments.paths)?;
    let changes = match &arguments.since {
        None => None,
        Some(old) => {
            let old = super::offline::read(std::slice::from_ref(old))?;
            Some(
                study::diff(&old, &studied)
                    .map_err(|why| Failure::because("the policies cannot be compared", why))?,
            )
        }
    };
    let page = page(&studied, changes.as_deref(), &arguments.paths);
    match &arguments.out {
        None => print::text(&page)?,
        Some(path) => std::fs::write(path, page)
            .map_err(|error| Failure::caused(format!("{} cannot be written", path.display()), &error))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn page(studied: &Studied, changes: Option<&[Change]>, paths: &[PathBuf]) -> String {
    let findings = study::lint(studied);
    let authorities = studied.authorities();
    let mut out = String::new();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let _ = write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Access report</title><style>{STYLE}</style><h1>Access report</h1><p class=dim>{now}, portcullis {}</p>",
        env!("CARGO_PKG_VERSION")
    );
    summary(&mut out, studied, &findings, changes);
    matrix(&mut out, studied, &authorities);
    risks(&mut out, &findings);
    if let Some(changes) = changes {
        differences(&mut out, changes);
    }
    evidence(&mut out, studied, paths);
    out.push_str("</html>\n");
    out
}

fn summary(out: &mut String, studied: &Studied, findings: &[Finding], changes: Option<&[Change]>) {
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (roles, bindings, rules) = studied.counts();
    let _ = write!(
        out,
        "<p>{} namespaces, {roles} roles, {bindings} bindings, {rules} rules of policy files. \
         <span class=error>{} errors</span>, <span class=warning>{} warnings</span>, {} notes.",
        studied.namespaces().len(),
        count(Level::Error),
        count(Level::Warning),
        count(Level::Note)
    );
    if let Some(changes) = changes {
        let gained = changes.iter().filter(|change| change.gained).count();
        let _ = write!(out, " {gained} accesses gained and {} lost.", changes.len().saturating_sub(gained));
    }
    out.push_str("</p>");
}

fn matrix(out: &mut String, studied: &Studied, authorities: &Authorities) {
    out.push_str("<h2>Who can, by namespace</h2><p class=dim>The group system:masters can do everything and is left out.</p>");
    let everywhere: Vec<Vec<String>> =
        QUESTIONS.iter().map(|question| who(authorities, question, "")).collect();
    rows(out, "the whole cluster", &everywhere, true);
    for namespace in studied.namespaces() {
        let own: Vec<Vec<String>> = QUESTIONS
            .iter()
            .zip(&everywhere)
            .map(|(question, everywhere)| {
                let mut who = who(authorities, question, &namespace);
                who.retain(|name| !everywhere.contains(name));
                who
            })
            .collect();
        let open = own.iter().any(|who| !who.is_empty());
        if open {
            rows(out, &namespace, &own, false);
        } else {
            let _ = write!(
                out,
                "<p><b>{}</b> <span class=dim>nobody beyond those of the whole cluster</span></p>",
                escaped(&namespace)
            );
        }
    }
}

fn rows(out: &mut String, place: &str, answers: &[Vec<String>], open: bool) {
    let open = if open { " open" } else { "" };
    let _ = write!(out, "<details{open}><summary>{}</summary><table>", escaped(place));
    for ((question, ..), names) in QUESTIONS.iter().zip(answers) {
        let shown: Vec<String> = names.iter().take(NAMED).map(|name| escaped(name)).collect();
        let rest = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" <span class=dim>and {more} more</span>"),
        };
        let told =
            if names.is_empty() { "<span class=dim>nobody</span>".to_owned() } else { shown.join(", ") };
        let _ = write!(out, "<tr><th>{question}<td>{told}{rest}</tr>");
    }
    out.push_str("</table></details>");
}

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

fn risks(out: &mut String, findings: &[Finding]) {
    out.push_str("<h2>Risky, broken or without effect</h2><table>");
    for finding in findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let (message, file) = (escaped(&finding.message), escaped(&finding.file));
        let _ = write!(
            out,
            "<tr><td class={level}>{level}<td>{message}<td><code>{file}:{}</code></tr>",
            finding.line
        );
    }
    out.push_str(if findings.is_empty() { "<tr><td>nothing</table>" } else { "</table>" });
}

fn differences(out: &mut String, changes: &[Change]) {
    out.push_str("<h2>Access gained and lost</h2><table>");
    for change in changes {
        let sign = if change.gained { "gained" } else { "lost" };
        let what = match &*change.group {
            "" => change.what.clone(),
            group => format!("{}.{group}", change.what),
        };
        let place = if change.namespace.is_empty() { "the cluster" } else { &change.namespace };
        let _ = write!(
            out,
            "<tr><td class={sign}>{sign}<td>{}<td>{} {}<td>{}</tr>",
            escaped(&change.subject),
            escaped(&change.verb),
            escaped(&what),
            escaped(place)
        );
    }
    out.push_str(if changes.is_empty() { "<tr><td>nothing</table>" } else { "</table>" });
}

fn evidence(out: &mut String, studied: &Studied, paths: &[PathBuf]) {
    out.push_str("<h2>Evidence</h2><p>Decided by the evaluators of the server on these files:</p><table>");
    for file in studied.files() {
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td class=dim>{}</tr>",
            escaped(&file),
            escaped(&size(Path::new(&file)))
        );
    }
    let named: Vec<String> = paths.iter().map(|path| escaped(&path.display().to_string())).collect();
    let _ = write!(out, "</table><p class=dim>read from {}</p>", named.join(", "));
}

fn size(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(meta) => format!("{} bytes", meta.len()),
        Err(_) => "part of every cluster".to_owned(),
    }
}

/// Text that cannot become markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBAC: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: Group, name: '<script>alert(1)</script>'}]
";

    #[test]
    fn a_page_names_who_can_and_nothing_in_it_is_markup_of_others() {
        let mut studied = Studied::default();
        studied.add_text("rbac.yaml", RBAC).unwrap();
        let page = page(&studied, Some(&[]), &["rbac.yaml".into()]);
        assert!(page.contains("<summary>shop</summary>"));
        assert!(page.contains("group &lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(!page.contains("<script"));
        assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing else");
    }
}
