//! What of the host a pod may share or reach.

use std::collections::BTreeSet;

use portcullis_api::Value;

use super::{Names, Subject, Violation, plural, quoted, violation};
use portcullis_api::tree::{at, flag, items, text};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HANDLERS: [&str; 2] = ["postStart", "preStop"];

/// The host's namespaces stay the host's.
pub(super) fn namespaces(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| flag(subject.spec, &[field]) == Some(true))
        .map(|field| format!("{field}=true"))
        .collect();
    if shared.is_empty() { None } else { violation("host namespaces", shared.join(", ")) }
}

/// The host's ports too.
pub(super) fn ports(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let mut found = BTreeSet::new();
    let bad = subject.bad_containers(|container| {
        let ports = items(container, "ports").iter().filter_map(|port| port.get("hostPort")?.as_i64());
        let ports: Vec<String> = ports.filter(|port| *port != 0).map(|port| port.to_string()).collect();
        let any = !ports.is_empty();
        found.extend(ports);
        any
    });
    if bad.is_empty() {
        return None;
    }
    let listed: Vec<&str> = found.iter().map(String::as_str).collect();
    let detail = format!(
        "{} {} {} {}",
        bad.containers(),
        plural(bad.0.len(), "uses", "use"),
        plural(listed.len(), "hostPort", "hostPorts"),
        listed.join(", ")
    );
    violation("hostPort", detail)
}

/// Probes and hooks reach the pod itself, not a host of its choice.
pub(super) fn probes(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let mut hosts = BTreeSet::new();
    let mut names = BTreeSet::new();
    for container in subject.containers() {
        for host in handlers(container).flat_map(hosts_of) {
            hosts.insert(host);
            names.insert(text(container, "name"));
        }
    }
    if names.is_empty() {
        return None;
    }
    let names = Names(names.into_iter().collect());
    let detail = format!(
        "{} {} {} {}",
        names.containers(),
        plural(names.0.len(), "uses", "use"),
        plural(hosts.len(), "probe or lifecycle host", "probe or lifecycle hosts"),
        quoted(hosts)
    );
    violation("probe or lifecycle host", detail)
}

fn handlers(container: &Value) -> impl Iterator<Item = &Value> {
    let probes = PROBES.into_iter().filter_map(|field| container.get(field));
    let hooks = HANDLERS.into_iter().filter_map(|field| at(container, &["lifecycle", field]));
    probes.chain(hooks)
}

fn hosts_of(handler: &Value) -> impl Iterator<Item = &str> {
    let host = |kind: &str| handler.get(kind).map(|action| text(action, "host"));
    ["httpGet", "tcpSocket"].into_iter().filter_map(host).filter(|host| !host.is_empty())
}
