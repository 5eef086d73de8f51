//! Security contexts of pods and containers.

use portcullis_api::field::{ErrorList, Raw};
use portcullis_api::{Value, names};
use serde_json::json;

use super::super::super::check::{At, flag, items, one_of, opt_int, text, texts};
use super::super::diff::internal;
use super::options::Options;
use super::spec::one_of_set;
use super::volume::relative_path;
use super::windows;

const SYSCTL_MAX: usize = 253;
const SYSCTL_PATTERN: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const APP_ARMOR_MAX: usize = 4095;
const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

/// The security context of a pod.
pub(super) fn pod(spec: &Value, at: At<'_>, options: Options, errors: &mut ErrorList) {
    let Some(context) = spec.get("securityContext") else { return };
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(context, field, &at, errors);
    }
    let groups = at.child("supplementalGroups");
    for (i, group) in items(context, "supplementalGroups").iter().enumerate() {
        let group = group.as_i64().unwrap_or_default();
        for message in names::user_or_group_id(group) {
            groups.index(i).invalid(errors, group, message);
        }
    }
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let words = "ShareProcessNamespace and HostPID cannot both be enabled";
        at.child("shareProcessNamespace").invalid(errors, true, words);
    }
    sysctls(spec, context, options, at.child("sysctls"), errors);
    one_of_set(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], &at, errors);
    seccomp(context.get("seccompProfile"), at.child("seccompProfile"), errors);
    windows::options(context.get("windowsOptions"), at.child("windowsOptions"), errors);
    app_armor(context.get("appArmorProfile"), at.child("appArmorProfile"), errors);
    one_of_set(context, "supplementalGroupsPolicy", &["Merge", "Strict"], &at, errors);
    let changes: &[&str] =
        if options.any_selinux_change { &["MountOption", "Recursive"] } else { &["Recursive"] };
    one_of_set(context, "seLinuxChangePolicy", changes, &at, errors);
}

/// The security context of a container.
pub(super) fn of_container(container: &Value, host_users: bool, at: At<'_>, errors: &mut ErrorList) {
    let Some(context) = container.get("securityContext") else { return };
    for field in ["runAsUser", "runAsGroup"] {
        id(context, field, &at, errors);
    }
    if let Some(mount) = context.get("procMount").and_then(Value::as_str) {
        one_of(mount, &["Default", "Unmasked"], at.child("procMount"), errors);
        if host_users && mount == "Unmasked" {
            at.child("procMount").invalid(errors, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(context.get("seccompProfile"), at.child("seccompProfile"), errors);
    if context.get("allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
        no_escalation(context, at, errors);
    }
    windows::options(context.get("windowsOptions"), at.child("windowsOptions"), errors);
    app_armor(context.get("appArmorProfile"), at.child("appArmorProfile"), errors);
}

fn no_escalation(context: &Value, at: At<'_>, errors: &mut ErrorList) {
    if flag(context, "privileged") {
        let words = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        at.invalid(errors, shown(context), words);
    }
    let added = context.get("capabilities").into_iter().flat_map(|c| texts(c, "add"));
    for _ in added.filter(|capability| *capability == "CAP_SYS_ADMIN") {
        let words = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        at.invalid(errors, shown(context), words);
    }
}

/// A security context as upstream prints its internal form: all fields, by their Go names.
fn shown(context: &Value) -> Raw {
    let field = |name: &str| context.get(name).cloned().unwrap_or(Value::Null);
    let capabilities = context
        .get("capabilities")
        .map_or(Value::Null, |c| json!({"Add": c.get("add"), "Drop": c.get("drop")}));
    let names = [
        ("Capabilities", capabilities),
        ("Privileged", field("privileged")),
        ("SELinuxOptions", field("seLinuxOptions")),
        ("WindowsOptions", field("windowsOptions")),
        ("RunAsUser", field("runAsUser")),
        ("RunAsGroup", field("runAsGroup")),
        ("RunAsNonRoot", field("runAsNonRoot")),
        ("ReadOnlyRootFilesystem", field("readOnlyRootFilesystem")),
        ("AllowPrivilegeEscalation", field("allowPrivilegeEscalation")),
        ("ProcMount", field("procMount")),
        ("SeccompProfile", field("seccompProfile")),
        ("AppArmorProfile", field("appArmorProfile")),
    ];
    let parts: Vec<String> = names.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Raw(format!("{{{}}}", parts.join(",")))
}

fn id(context: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(id) = opt_int(context, field) {
        for message in names::user_or_group_id(id) {
            at.child(field).invalid(errors, id, message);
        }
    }
}

fn sysctls(spec: &Value, context: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    let list = items(context, "sysctls");
    for (i, sysctl) in list.iter().enumerate() {
        let here = at.index(i);
        let name = text(sysctl, "name");
        if name.is_empty() {
            here.child("name").required(errors, "");
        } else if !is_sysctl(name) {
            let words = format!("must have at most {SYSCTL_MAX} characters and match regex {SYSCTL_PATTERN}");
            here.child("name").invalid(errors, name, words);
        } else if list.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
        if !options.host_sysctls {
            host_sysctl(spec, name, here.child("name"), errors);
        }
    }
}

/// Sysctls of namespaces that the pod shares with the host.
pub(super) fn host_sysctls(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let context = spec.get("securityContext").into_iter();
    for sysctl in context.flat_map(|context| items(context, "sysctls")) {
        host_sysctl(spec, text(sysctl, "name"), at, errors);
    }
}

fn host_sysctl(spec: &Value, name: &str, at: At<'_>, errors: &mut ErrorList) {
    let dotted = name.replace('/', ".");
    let shared_memory =
        ["kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"];
    let messages = ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg_next_id"];
    let ipc = shared_memory.contains(&dotted.as_str())
        || messages.contains(&dotted.as_str())
        || dotted.starts_with("kernel.shm")
        || dotted.starts_with("kernel.msg")
        || dotted.starts_with("fs.mqueue.");
    if flag(spec, "hostNetwork") && dotted.starts_with("net.") {
        at.invalid(errors, name, "may not be specified when 'hostNetwork' is true");
    } else if flag(spec, "hostIPC") && ipc {
        at.invalid(errors, name, "may not be specified when 'hostIPC' is true");
    }
}

fn is_sysctl(name: &str) -> bool {
    let segment = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = part.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    name.len() <= SYSCTL_MAX && name.split(['.', '/']).all(segment)
}

fn seccomp(profile: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let Some(profile) = profile else { return };
    let kind = text(profile, "type");
    if kind.is_empty() {
        at.child("type").required(errors, "type is required when seccompProfile is set");
    } else {
        one_of(kind, &PROFILES, at.child("type"), errors);
    }
    let path = profile.get("localhostProfile").and_then(Value::as_str);
    let here = at.child("localhostProfile");
    match (kind, path) {
        ("Localhost", None) => here.required(errors, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(path)) => relative_path(path, here, errors),
        (_, Some(_)) => {
            let shown = internal("SeccompProfile", profile);
            here.invalid(errors, shown, "can only be set when seccomp type is Localhost");
        }
        _ => {}
    }
}

/// The rules for an AppArmor profile.
pub(super) fn app_armor(profile: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let Some(profile) = profile else { return };
    let path = profile.get("localhostProfile").and_then(Value::as_str);
    let here = at.child("localhostProfile");
    let missing = "must be set when AppArmor type is Localhost";
    match (text(profile, "type"), path) {
        ("Localhost", None) => here.required(errors, missing),
        ("Localhost", Some(path)) => {
            if path.trim() != path {
                here.invalid(errors, path, "must not be padded with whitespace");
            } else if path.is_empty() {
                here.required(errors, missing);
            }
            if path.len() > APP_ARMOR_MAX {
                here.too_long(errors, APP_ARMOR_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(path)) => {
            here.invalid(errors, path, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => at.child("type").required(errors, "type is required when appArmorProfile is set"),
        (other, _) => at.child("type").not_supported(errors, other, &PROFILES),
    }
}
