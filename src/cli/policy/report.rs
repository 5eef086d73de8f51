//! One page for an auditor: who can reach what, tenant by tenant, what is risky, what changed, and from which files.
//!
//! The page needs nothing else, runs no script, and prints.

mod matrix;
mod people;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis_authz::study::{self, Change, Finding, Level, Studied};

use self::people::People;
use super::Report;
use crate::cli::{Failure, print};

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1.25rem;color:#1b1f24;background:#fff}\
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.4rem;border-bottom:1px solid #d0d7de;padding-bottom:.2rem}\
nav a{margin-right:1rem}a{color:#0b57d0;text-decoration:none}\
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.2rem 0}.tile{border:1px solid #d0d7de;border-radius:6px;padding:.5rem .9rem;min-width:7rem}\
.tile b{display:block;font-size:1.4rem;font-variant-numeric:tabular-nums}\
table{border-collapse:collapse;width:100%;font-size:.85rem;table-layout:fixed}th,td{text-align:left;vertical-align:top;padding:.35rem .5rem;border-bottom:1px solid #e4e8ec;overflow-wrap:anywhere}\
thead th{background:#f6f8fa;position:sticky;top:0}tbody th{font-weight:600}.tenant th{background:#eef3f8}.first{width:16%}.narrow{width:6rem}.place{width:26%}\
.error{color:#b42318;font-weight:600}.warning{color:#8a5a00;font-weight:600}.note,.dim{color:#59636e}.gained{color:#b42318;font-weight:600}.lost{color:#1a7f37;font-weight:600}code{font-size:.9em}\
@page{size:A4 landscape;margin:12mm}\
@media print{body{margin:0;max-width:none;padding:0;font-size:10px}nav{display:none}table{font-size:9px}thead th{position:static}thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}}";

pub(super) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let studied = super::reach::studied(&arguments.paths, &arguments.live)?;
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
    let people = arguments.audit.as_deref().map(people::read).transpose()?;
    let sources = Sources { paths: &arguments.paths, tenant: &arguments.tenant_label };
    let page = page(&studied, changes.as_deref(), people.as_ref(), &sources);
    match &arguments.out {
        None => print::text(&page)?,
        Some(path) => std::fs::write(path, page)
            .map_err(|error| Failure::caused(format!("{} cannot be written", path.display()), &error))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a page's facts come from.
struct Sources<'a> {
    paths: &'a [PathBuf],
    /// The label of namespaces that names their tenant.
    tenant: &'a str,
}

fn page(
    studied: &Studied,
    changes: Option<&[Change]>,
    people: Option<&People>,
    sources: &Sources<'_>,
) -> String {
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
    out.push_str("<nav><a href=#who>Who can</a><a href=#risks>Risks</a>");
    for (there, link) in [(people.is_some(), "people>Who came"), (changes.is_some(), "changes>Changes")] {
        if there {
            let _ = write!(out, "<a href=#{link}</a>");
        }
    }
    out.push_str("<a href=#evidence>Evidence</a></nav>");
    matrix::write(&mut out, studied, &authorities, sources.tenant);
    risks(&mut out, &findings);
    if let Some(people) = people {
        people.write(&mut out);
    }
    if let Some(changes) = changes {
        differences(&mut out, changes);
    }
    evidence(&mut out, studied, sources.paths);
    out.push_str("</html>\n");
    out
}

fn summary(out: &mut String, studied: &Studied, findings: &[Finding], changes: Option<&[Change]>) {
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (roles, bindings, rules) = studied.counts();
    out.push_str("<div class=tiles>");
    let mut tile = |class: &str, number: usize, what: &str| {
        let _ = write!(out, "<div class=tile><b class={class}>{number}</b>{what}</div>");
    };
    tile("plain", studied.namespaces().len(), "namespaces");
    tile("plain", roles, "roles");
    tile("plain", bindings, "bindings");
    tile("plain", rules, "rules of policy files");
    tile("error", count(Level::Error), "errors");
    tile("warning", count(Level::Warning), "warnings");
    tile("note", count(Level::Note), "notes");
    if let Some(changes) = changes {
        let gained = changes.iter().filter(|change| change.gained).count();
        tile("gained", gained, "accesses gained");
        tile("lost", changes.len().saturating_sub(gained), "accesses lost");
    }
    out.push_str("</div>");
}

fn risks(out: &mut String, findings: &[Finding]) {
    out.push_str("<h2 id=risks>Risky, broken or without effect</h2><table><thead><tr><th class=narrow><th>What<th class=first>What to do<th class=place>Where</thead>");
    let mut ordered: Vec<&Finding> = findings.iter().collect();
    ordered.sort_by_key(|finding| (finding.level, finding.id));
    for finding in ordered {
        let level = finding.level;
        let (message, place) = (breakable(&finding.message), breakable(&finding.place()));
        let _ = write!(
            out,
            "<tr><td class={level}>{level}<td>{message}<td class=dim>{}<td><code>{place}</code></tr>",
            escaped(finding.fix())
        );
    }
    out.push_str(if findings.is_empty() { "<tr><td colspan=4>nothing</table>" } else { "</table>" });
}

fn differences(out: &mut String, changes: &[Change]) {
    out.push_str(
        "<h2 id=changes>Access gained and lost</h2><table><thead><tr><th class=narrow><th class=place>Who<th class=first>Where<th>What</thead>",
    );
    for one in study::gathered(changes) {
        let sign = if one.gained { "gained" } else { "lost" };
        let place = |namespace: &String| match &**namespace {
            "" => "the cluster".to_owned(),
            namespace => breakable(namespace),
        };
        let places = one.namespaces.iter().map(place).collect::<Vec<_>>().join(", ");
        let _ = write!(out, "<tr><td class={sign}>{sign}<td>{}<td>{places}<td>", breakable(&one.subject));
        for (verbs, whats) in &one.access {
            let whats = whats.iter().map(|what| breakable(what)).collect::<Vec<_>>().join(", ");
            let _ = write!(out, "<div><b>{}</b> {whats}</div>", escaped(&verbs.join(", ")));
        }
        out.push_str("</tr>");
    }
    out.push_str(if changes.is_empty() { "<tr><td colspan=4>nothing</table>" } else { "</table>" });
}

fn evidence(out: &mut String, studied: &Studied, paths: &[PathBuf]) {
    out.push_str(
        "<h2 id=evidence>Evidence</h2><p>Decided by the evaluators of the server on these files:</p><table>",
    );
    for file in studied.files() {
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td class=dim>{}</tr>",
            breakable(&file),
            escaped(&size(&file))
        );
    }
    out.push_str("</table>");
    let named: Vec<String> = paths.iter().map(|path| breakable(&path.display().to_string())).collect();
    if !named.is_empty() {
        let _ = write!(out, "<p class=dim>read from {}</p>", named.join(", "));
    }
}

fn size(file: &str) -> String {
    if file == study::SERVER {
        return "what the server listed when it was asked".to_owned();
    }
    match std::fs::metadata(Path::new(file)) {
        Ok(meta) => format!("{} bytes", meta.len()),
        Err(_) => "part of every cluster".to_owned(),
    }
}

/// Text that cannot become markup, and that is broken after separators where it is too long for a line.
fn breakable(text: &str) -> String {
    let parts = text.split_inclusive(['/', ':', '-', '.']);
    parts.map(escaped).collect::<Vec<_>>().join("<wbr>")
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
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tenant: acme}}
";

    #[test]
    fn a_page_names_who_can_and_nothing_in_it_is_markup_of_others() {
        let mut studied = Studied::default();
        studied.add_text("rbac.yaml", RBAC).unwrap();
        let page =
            page(&studied, Some(&[]), None, &Sources { paths: &["rbac.yaml".into()], tenant: "tenant" });
        assert!(page.contains("<th>shop"));
        assert!(page.contains("group &lt;script&gt;alert(1)&lt;/<wbr>script&gt;"), "{page}");
        assert!(!page.contains("<script"));
        assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing else");
    }

    #[test]
    fn long_names_break_after_separators_only() {
        let name = "system:serviceaccount:a-b/c.d<";
        let told = "system:<wbr>serviceaccount:<wbr>a-<wbr>b/<wbr>c.<wbr>d&lt;";
        assert_eq!(breakable(name), told);
        assert_eq!((&*breakable("plain"), &*breakable("")), ("plain", ""));
    }

    #[test]
    fn namespaces_are_told_tenant_by_tenant_and_equal_ones_together() {
        let mut studied = Studied::default();
        studied.add_text("rbac.yaml", RBAC).unwrap();
        let empty = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: NAME}\n";
        let others: String = ["east", "west"].map(|name| empty.replace("NAME", name)).concat();
        studied.add_text("others.yaml", &others).unwrap();
        let page = page(&studied, None, None, &Sources { paths: &[], tenant: "tenant" });
        let tenant = page.find("tenant acme").unwrap();
        assert!(page.find("<th>shop").unwrap() > tenant);
        assert!(page.contains("nobody beyond those of the whole cluster: east, west"), "{page}");
    }

    #[test]
    fn c034_people_are_told_by_the_way_they_came() {
        let event = |user: &str, method: &str| {
            format!(
                r#"{{"stage":"ResponseComplete","user":{{"username":"{user}"}},"annotations":{{"portcullis.io/authenticated-by":"{method}"}}}}"#
            )
        };
        let mut people = People::default();
        for (user, method) in [
            ("jane", "x509"),
            ("jane", "x509"),
            ("system:serviceaccount:a:bot", "serviceaccount"),
            ("kim", "oidc"),
        ] {
            people.add(&event(user, method));
        }
        people.add("no event");
        let mut out = String::new();
        people.write(&mut out);
        assert!(out.contains("<th>oidc<td>kim (1)") && out.contains("<th>x509<td>jane (2)"), "{out}");
        assert!(!out.contains("bot"), "a machine is nobody of these: {out}");
    }
}
