//! What keeps a container inside: no privileges, masked paths, harmless kernel parameters.

use std::collections::BTreeSet;

use portcullis_api::Value;

use super::{Subject, Violation, context, quoted, violation};
use portcullis_api::tree::{flag, items, text};

/// Kernel parameters that touch only the pod, and since which version they are held to do so.
const SAFE_SYSCTLS: &[(&str, i64)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// No container is the host's equal.
pub(super) fn privileged(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let bad = subject.bad_containers(|container| flag(context(container), &["privileged"]) == Some(true));
    if bad.is_empty() {
        return None;
    }
    violation("privileged", format!("{} must not set securityContext.privileged=true", bad.containers()))
}

/// Nobody gains what his parent did not have.
pub(super) fn privilege_escalation(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    let allows = |context: &Value| flag(context, &["allowPrivilegeEscalation"]) != Some(false);
    let bad = subject.bad_containers(|container| allows(context(container)));
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", bad.containers());
    violation("allowPrivilegeEscalation != false", detail)
}

/// `/proc` stays masked, unless the pod has users of its own.
pub(super) fn proc_mount(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 35 && subject.has_user_namespace() {
        return None;
    }
    proc_mount_always(subject, minor)
}

/// `/proc` stays masked.
pub(super) fn proc_mount_always(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let mut types = BTreeSet::new();
    let bad = subject.bad_containers(|container| {
        let mount = context(container).get("procMount").and_then(Value::as_str);
        let mount = mount.filter(|mount| *mount != "Default");
        types.extend(mount);
        mount.is_some()
    });
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must not set securityContext.procMount to {}", bad.containers(), quoted(types));
    violation("procMount", detail)
}

/// Only safe kernel parameters are set.
pub(super) fn sysctls(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    let is_safe = |name: &str| SAFE_SYSCTLS.iter().any(|(safe, since)| *safe == name && *since <= minor);
    let names = items(subject.context(), "sysctls").iter().map(|sysctl| text(sysctl, "name"));
    let bad: Vec<&str> = names.filter(|name| !is_safe(name)).collect();
    if bad.is_empty() { None } else { violation("forbidden sysctls", bad.join(", ")) }
}

/// Not on Windows either.
pub(super) fn windows_host_process(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let is_host = |context: &Value| flag(context, &["windowsOptions", "hostProcess"]) == Some(true);
    let bad = subject.bad_containers(|container| is_host(context(container)));
    let setters = bad.and_pod(is_host(subject.context()))?;
    violation(
        "hostProcess",
        format!("{setters} must not set securityContext.windowsOptions.hostProcess=true"),
    )
}
