//! What of root's powers a container may hold.

use std::collections::BTreeSet;

use portcullis_api::Value;

use super::{Names, Subject, Violation, context, quoted, violation};
use portcullis_api::tree::{items, text};

const DEFAULT: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Nothing beyond the runtime's default set may be added.
pub(super) fn baseline(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let (bad, added) = adding(subject, DEFAULT);
    let words = not_allowed(&bad, &added)?;
    violation("non-default capabilities", words)
}

/// Everything is dropped and at most the right to low ports added.
pub(super) fn restricted(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    let keeping = subject.bad_containers(|container| !drops_all(container));
    let (bad, added) = adding(subject, &["NET_BIND_SERVICE"]);
    let keeps = (!keeping.is_empty())
        .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", keeping.containers()));
    let details: Vec<String> = keeps.into_iter().chain(not_allowed(&bad, &added)).collect();
    if details.is_empty() {
        return None;
    }
    violation("unrestricted capabilities", details.join("; "))
}

fn not_allowed(bad: &Names<'_>, added: &BTreeSet<&str>) -> Option<String> {
    if bad.is_empty() {
        return None;
    }
    let added = quoted(added.iter().copied());
    Some(format!("{} must not include {added} in securityContext.capabilities.add", bad.containers()))
}

fn adding<'a>(subject: &Subject<'a>, allowed: &[&str]) -> (Names<'a>, BTreeSet<&'a str>) {
    let mut added = BTreeSet::new();
    let names = subject.containers().filter(|container| {
        let forbidden = listed(container, "add").filter(|name| !allowed.contains(name));
        let before: Vec<&str> = forbidden.collect();
        added.extend(before.iter().copied());
        !before.is_empty()
    });
    let names = Names(names.map(|container| text(container, "name")).collect());
    (names, added)
}

fn drops_all(container: &Value) -> bool {
    listed(container, "drop").any(|name| name == "ALL")
}

fn listed<'a>(container: &'a Value, field: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let capabilities = context(container).get("capabilities").unwrap_or(&Value::Null);
    items(capabilities, field).iter().filter_map(Value::as_str)
}
