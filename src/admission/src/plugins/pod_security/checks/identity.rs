//! As whom containers run.

use portcullis_api::Value;

use super::{Subject, Violation, context, violation};
use portcullis_api::tree::flag;

/// Containers must say that they do not run as root.
pub(super) fn run_as_non_root(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 35 && subject.has_user_namespace() {
        return None;
    }
    let says = |context: &Value| flag(context, &["runAsNonRoot"]);
    let pod = says(subject.context());
    let explicit = subject.bad_containers(|container| says(context(container)) == Some(false));
    let reason = "runAsNonRoot != true";
    if let Some(setters) = explicit.and_pod(pod == Some(false)) {
        return violation(reason, format!("{setters} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = subject.bad_containers(|container| pod != Some(true) && says(context(container)).is_none());
    if silent.is_empty() {
        return None;
    }
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", silent.containers());
    violation(reason, detail)
}

/// And must not choose to be root.
pub(super) fn run_as_user(subject: &Subject<'_>, minor: i64) -> Option<Violation> {
    if minor >= 35 && subject.has_user_namespace() {
        return None;
    }
    let is_root = |context: &Value| context.get("runAsUser").and_then(Value::as_i64) == Some(0);
    let bad = subject.bad_containers(|container| is_root(context(container)));
    let setters = bad.and_pod(is_root(subject.context()))?;
    violation("runAsUser=0", format!("{setters} must not set runAsUser=0"))
}
