//! `PodSecurity`: pods keep to the level their namespace's labels ask for.
//!
//! A pod that violates the enforced level is refused; one that violates the warned or audited level is
//! only talked about, and so are the templates that controllers make pods from. Labels are read in
//! [`policy`]; the rules of each level are a table in [`checks`]; [`namespace`] looks at the pods that are
//! already there when a namespace's labels change.

mod checks;
mod namespace;
mod policy;
#[cfg(test)]
mod tests;
mod update;

use std::sync::Arc;

use portcullis_api::field;
use portcullis_api::{ApiError, Object, Result, Value};

use self::checks::{Evaluation, Subject};
use self::policy::{Mode, Policy};
use super::core;
use crate::attributes::Attributes;
use crate::chain::Plugin;

/// Where the templates of controllers are.
const TEMPLATES: &[(&str, &str, &[&str])] = &[
    ("", "replicationcontrollers", &["spec", "template"]),
    ("", "podtemplates", &["template"]),
    ("apps", "replicasets", &["spec", "template"]),
    ("apps", "deployments", &["spec", "template"]),
    ("apps", "statefulsets", &["spec", "template"]),
    ("apps", "daemonsets", &["spec", "template"]),
    ("batch", "jobs", &["spec", "template"]),
    ("batch", "cronjobs", &["spec", "jobTemplate", "spec", "template"]),
];
/// Subresources of pods that cannot change what a pod may do.
const HARMLESS: &[&str] = &["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

pub(super) struct PodSecurity;

impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        if !write.stores() {
            return false;
        }
        if write.is_any_of("", "pods") {
            return !HARMLESS.contains(&write.subresource);
        }
        write.subresource.is_empty() && (write.is("", "namespaces") || template_path(write).is_some())
    }

    fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        let Some(object) = object else { return Ok(()) };
        if write.is_any_of("", "namespaces") {
            return namespace::judge(write, object);
        }
        let Some(path) = template_path(write) else { return judge_pod(write, object) };
        judge_template(write, object.at(path));
        Ok(())
    }
}

fn template_path(write: &Attributes<'_>) -> Option<&'static [&'static str]> {
    let found = TEMPLATES.iter().find(|(group, resource, _)| write.is_any_of(group, resource));
    found.map(|(_, _, path)| *path)
}

fn judge_pod(write: &Attributes<'_>, pod: &Object) -> Result<()> {
    let namespace = namespace_of(write).ok_or_else(|| {
        ApiError::internal_said(&format!("failed to lookup namespace \"{}\"", write.namespace))
    })?;
    let (policy, errors) = Policy::of(&namespace);
    if errors.is_empty() && policy.is_privileged() {
        write.notes.annotate("pod-security.kubernetes.io/enforce-policy", "privileged:latest");
        return Ok(());
    }
    if write.old.is_some_and(|old| !update::is_significant(pod, old)) {
        return Ok(());
    }
    note_errors(write, &errors);
    let metadata = pod.get("metadata").unwrap_or(&Value::Null);
    let subject = Subject { metadata, spec: pod.get("spec").unwrap_or(&Value::Null) };
    let enforced = policy.enforce.evaluate(&subject);
    write.notes.annotate("pod-security.kubernetes.io/enforce-policy", policy.enforce.to_string());
    note_audit(write, &policy, &subject, Some((policy.enforce, &enforced)));
    if !enforced.is_allowed() {
        let why = format!("violates PodSecurity \"{}\": {}", policy.enforce, enforced.details());
        return Err(ApiError::forbidden(write.resource, write.name, &why));
    }
    warn(write, &policy, &subject, Some((policy.enforce, &enforced)));
    Ok(())
}

/// Templates are only talked about: it is their pods that are refused.
fn judge_template(write: &Attributes<'_>, template: Option<&Value>) {
    let Some(template) = template else { return };
    let Some(namespace) = namespace_of(write) else {
        let why = format!("failed to lookup namespace \"{}\"", write.namespace);
        return write.notes.annotate("pod-security.kubernetes.io/error", why);
    };
    let (policy, errors) = Policy::of(&namespace);
    if errors.is_empty() && policy.warn.is_privileged() && policy.audit.is_privileged() {
        return;
    }
    note_errors(write, &errors);
    let part = |name: &str| template.get(name).unwrap_or(&Value::Null);
    let subject = Subject { metadata: part("metadata"), spec: part("spec") };
    note_audit(write, &policy, &subject, None);
    warn(write, &policy, &subject, None);
}

fn namespace_of(write: &Attributes<'_>) -> Option<Arc<Object>> {
    write.reader.get(&core("namespaces"), "", write.namespace)
}

fn note_errors(write: &Attributes<'_>, errors: &[field::Error]) {
    if errors.is_empty() {
        return;
    }
    let listed: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let listed = match listed.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    write.notes.annotate("pod-security.kubernetes.io/error", format!("Failed to parse policy: {listed}"));
}

/// What was found already, and by which mode's measure.
type Known<'a> = Option<(Mode, &'a Evaluation)>;

fn note_audit(write: &Attributes<'_>, policy: &Policy, subject: &Subject<'_>, known: Known<'_>) {
    if let Some(words) = violation(policy.audit, subject, known) {
        write.notes.annotate("pod-security.kubernetes.io/audit-violations", words);
    }
}

fn warn(write: &Attributes<'_>, policy: &Policy, subject: &Subject<'_>, known: Known<'_>) {
    if let Some(words) = violation(policy.warn, subject, known) {
        write.notes.warn(words);
    }
}

fn violation(mode: Mode, subject: &Subject<'_>, known: Known<'_>) -> Option<String> {
    let words = |found: &Evaluation| {
        (!found.is_allowed()).then(|| format!("would violate PodSecurity \"{mode}\": {}", found.details()))
    };
    match known {
        Some((same, found)) if same == mode => words(found),
        _ => words(&mode.evaluate(subject)),
    }
}
