//! The kernel's own profiles: AppArmor, SELinux, seccomp.

use std::collections::BTreeSet;

use portcullis_api::Value;
use portcullis_api::field::go_quote;

use super::{Names, Subject, Violation, context, plural, quoted, violation};
use portcullis_api::tree::text;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SELINUX_TYPES: &[(&str, i64)] = &[
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// The type of a profile, if one is set.
fn profile<'a>(context: &'a Value, field: &str) -> Option<&'a str> {
    context.get(field).filter(|profile| profile.is_object()).map(|profile| text(profile, "type"))
}

fn is_confined(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

/// Who sets a profile to a type that does not confine, and those types.
fn unconfined<'a>(subject: &Subject<'a>, field: &str) -> (bool, Names<'a>, BTreeSet<&'a str>) {
    let bad_type = |context: &'a Value| profile(context, field).filter(|kind| !is_confined(kind));
    let of_pod = bad_type(subject.context());
    let mut types: BTreeSet<&str> = of_pod.into_iter().collect();
    let bad = subject.bad_containers(|container| {
        let kind = bad_type(context(container));
        types.extend(kind);
        kind.is_some()
    });
    (of_pod.is_some(), bad, types)
}

/// AppArmor is not switched off.
pub(super) fn app_armor(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let (pod, bad, types) = unconfined(subject, "appArmorProfile");
    let allowed =
        |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let mut annotations: Vec<String> = subject
        .annotations()
        .filter(|(key, value)| key.starts_with(APP_ARMOR) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", go_quote(value)))
        .collect();
    annotations.sort_unstable();
    let mut setters: Vec<String> = bad.and_pod(pod).into_iter().collect();
    if !annotations.is_empty() {
        setters.push(plural(annotations.len(), "annotation", "annotations").to_owned());
    }
    if setters.is_empty() {
        return None;
    }
    let count = types.len() + annotations.len();
    let values = quoted(types.into_iter().chain(annotations.iter().map(String::as_str)));
    let reason = plural(count, "forbidden AppArmor profile", "forbidden AppArmor profiles");
    violation(reason, format!("{} must not set AppArmor profile type to {values}", setters.join(" and ")))
}

/// SELinux keeps to the types made for containers.
pub(super) fn selinux(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    let is_allowed =
        |kind: &str| SELINUX_TYPES.iter().any(|(known, since)| *known == kind && *since <= minor);
    let (mut types, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut is_bad = |context| {
        let Some(options) = Value::get(context, "seLinuxOptions") else { return false };
        let kind = text(options, "type");
        let wrong = (!is_allowed(kind), !text(options, "user").is_empty(), !text(options, "role").is_empty());
        if wrong.0 {
            types.insert(kind);
        }
        user |= wrong.1;
        role |= wrong.2;
        wrong != (false, false, false)
    };
    let pod = is_bad(subject.context());
    let bad = subject.bad_containers(|container| is_bad(context(container)));
    let setters = bad.and_pod(pod)?;
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!("{} {}", plural(types.len(), "type", "types"), quoted(types)));
    }
    if user {
        data.push("user may not be set".to_owned());
    }
    if role {
        data.push("role may not be set".to_owned());
    }
    let data = data.join("; ");
    violation("seLinuxOptions", format!("{setters} set forbidden securityContext.seLinuxOptions: {data}"))
}

/// Seccomp is not switched off.
pub(super) fn seccomp(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor < 19 {
        return seccomp_annotations(subject);
    }
    seccomp_bad_types(subject)
}

fn seccomp_bad_types(subject: &Subject<'_>) -> Option<Violation> {
    let (pod, bad, types) = unconfined(subject, "seccompProfile");
    let setters = bad.and_pod(pod)?;
    let detail = format!("{setters} must not set securityContext.seccompProfile.type to {}", quoted(types));
    violation("seccompProfile", detail)
}

/// Seccomp is switched on.
pub(super) fn seccomp_required(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 25 && subject.is_windows() {
        return None;
    }
    if let Some(bad) = seccomp_bad_types(subject) {
        return Some(bad);
    }
    let is_silent = |context: &Value| profile(context, "seccompProfile").is_none();
    if !is_silent(subject.context()) {
        return None;
    }
    let silent = subject.bad_containers(|container| is_silent(context(container)));
    if silent.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        silent.containers()
    );
    violation("seccompProfile", detail)
}

/// Before the field there were annotations.
fn seccomp_annotations(subject: &Subject<'_>) -> Option<Violation> {
    let allowed = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let names: BTreeSet<&str> = subject.containers().map(|container| text(container, "name")).collect();
    let concerns = |key: &str| {
        key == SECCOMP_POD || key.strip_prefix(SECCOMP_CONTAINER).is_some_and(|name| names.contains(name))
    };
    let forbidden: BTreeSet<String> = subject
        .annotations()
        .filter(|(key, value)| concerns(key) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", go_quote(value)))
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let noun = plural(forbidden.len(), "annotation", "annotations");
    let listed: Vec<&str> = forbidden.iter().map(String::as_str).collect();
    violation("seccompProfile", format!("forbidden {noun} {}", listed.join(", ")))
}
