//! What depends on the pod's operating system.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::super::check::{At, flag, items, one_of, text};
use super::spec::visit;

const WINDOWS_SIGNALS: [&str; 2] = ["SIGKILL", "SIGTERM"];
const LINUX_SIGNALS: [&str; 65] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAX-1",
    "SIGRTMAX-10",
    "SIGRTMAX-11",
    "SIGRTMAX-12",
    "SIGRTMAX-13",
    "SIGRTMAX-14",
    "SIGRTMAX-2",
    "SIGRTMAX-3",
    "SIGRTMAX-4",
    "SIGRTMAX-5",
    "SIGRTMAX-6",
    "SIGRTMAX-7",
    "SIGRTMAX-8",
    "SIGRTMAX-9",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];
/// Fields of the pod's and of its containers' security contexts that Windows does not know, in the order
/// they are told.
const POD_CONTEXT: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
];
const CONTAINER_CONTEXT: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// The rules that follow from `spec.os`.
pub(super) fn rules(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(os) = spec.get("os") else { return };
    let here = at.child("os");
    match text(os, "name") {
        "" => here.child("name").required(errors, ""),
        "linux" => linux(spec, at, errors),
        "windows" => windows(spec, at, errors),
        other => here.not_supported(errors, other, &["linux", "windows"]),
    }
}

/// The signal that stops a container.
pub(super) fn stop_signal(signal: &str, os: Option<&str>, at: At<'_>, errors: &mut ErrorList) {
    match os {
        None => at.forbidden(errors, "may not be set for containers with empty `spec.os.name`"),
        Some("windows") => one_of(signal, &WINDOWS_SIGNALS, at, errors),
        Some("linux") => one_of(signal, &LINUX_SIGNALS, at, errors),
        Some(_) => {}
    }
}

fn linux(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let words = "windows options cannot be set for a linux pod";
    if spec.get("securityContext").is_some_and(|context| context.get("windowsOptions").is_some()) {
        at.child("securityContext").child("windowsOptions").forbidden(errors, words);
    }
    visit(spec, at, |container, here| {
        if container.get("securityContext").is_some_and(|context| context.get("windowsOptions").is_some()) {
            here.child("securityContext").child("windowsOptions").forbidden(errors, words);
        }
    });
}

fn windows(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let words = "cannot be set for a windows pod";
    let empty = Value::Null;
    let context = spec.get("securityContext").unwrap_or(&empty);
    let context_at = at.child("securityContext");
    for field in POD_CONTEXT {
        let is_set = match field {
            "sysctls" => !items(context, field).is_empty(),
            field => context.get(field).is_some(),
        };
        if is_set {
            context_at.child(field).forbidden(errors, words);
        }
        // The internal form has some of the pod's own fields among those of its security context.
        for shared in shared_after(field).iter().filter(|shared| says(spec, shared)) {
            at.child(shared).forbidden(errors, words);
        }
    }
    if context.get("seLinuxChangePolicy").is_some() {
        context_at.child("seLinuxChangePolicy").forbidden(errors, words);
    }
    visit(spec, at, |container, here| {
        let Some(context) = container.get("securityContext") else { return };
        let context_at = here.child("securityContext");
        for field in CONTAINER_CONTEXT.into_iter().filter(|field| context.get(*field).is_some()) {
            context_at.child(field).forbidden(errors, words);
        }
    });
}

/// The fields of the pod's spec that are told after a field of its security context.
fn shared_after(field: &str) -> &'static [&'static str] {
    match field {
        "seLinuxOptions" => &["hostUsers", "hostPID", "hostIPC"],
        "sysctls" => &["shareProcessNamespace"],
        _ => &[],
    }
}

/// Whether a field of the pod's spec says anything a Windows pod cannot mean.
fn says(spec: &Value, field: &str) -> bool {
    if field.starts_with("host") && field != "hostUsers" {
        flag(spec, field)
    } else {
        spec.get(field).is_some()
    }
}
