//! Annotations that say something about a pod.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::super::check::{At, entries, text};
use super::options::Options;
use super::spec::visit;
use super::volume::relative_path;

pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
pub(super) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
pub(super) const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
pub(super) const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The rules for annotations that pods and templates share.
pub(super) fn specific(metadata: &Value, spec: &Value, at: At<'_>, options: Options, errors: &mut ErrorList) {
    let Some(annotations) = metadata.get("annotations").and_then(Value::as_object) else { return };
    let get = |key: &str| annotations.get(key).and_then(Value::as_str);
    if let Some(mirror) = get(MIRROR)
        && text(spec, "nodeName").is_empty()
    {
        at.key(MIRROR).invalid(errors, mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(cost) = get(DELETION_COST)
        && !options.odd_deletion_cost
        && !is_cost(cost)
    {
        at.key(DELETION_COST).invalid(errors, cost, "must be a 32bit integer");
    }
    if let Some(profile) = get(SECCOMP_POD) {
        seccomp(profile, at.child(SECCOMP_POD), errors);
    }
    for (key, profile) in
        entries(metadata, "annotations").filter(|(key, _)| key.starts_with(SECCOMP_CONTAINER))
    {
        seccomp(profile.as_str().unwrap_or_default(), at.child(key), errors);
    }
    for (key, profile) in entries(metadata, "annotations") {
        if let Some(container) = key.strip_prefix(APP_ARMOR) {
            app_armor(container, profile.as_str().unwrap_or_default(), spec, at.key(key), errors);
        }
    }
}

/// A 32-bit number without a plus sign or leading zeros.
fn is_cost(cost: &str) -> bool {
    let digits = cost.strip_prefix('-').unwrap_or(cost);
    let canonical = digits == "0" && cost == "0" || !digits.starts_with(['0', '+']);
    canonical && cost.parse::<i32>().is_ok()
}

fn seccomp(profile: &str, at: At<'_>, errors: &mut ErrorList) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(path) => relative_path(path, at, errors),
            None => at.invalid(errors, profile, "must be a valid seccomp profile"),
        },
    }
}

fn app_armor(container: &str, profile: &str, spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let mut found = false;
    visit(spec, &at, |other, _| found |= text(other, "name") == container);
    if !found {
        at.invalid(errors, container, "container not found");
    }
    let known = matches!(profile, "" | "runtime/default" | "unconfined") || profile.starts_with("localhost/");
    if !known {
        let quoted = portcullis_api::field::go_quote(profile);
        at.invalid(errors, profile, format!("invalid AppArmor profile name: {quoted}"));
    }
}

/// Annotations and fields that say the same thing must agree.
pub(super) fn profiles_match(metadata: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(annotations) = metadata.get("annotations").and_then(Value::as_object) else { return };
    let get = |key: &str| annotations.get(key).and_then(Value::as_str);
    if let Some(said) = get(SECCOMP_POD) {
        let field = spec.get("securityContext").and_then(|c| c.get("seccompProfile"));
        let context = at.child("securityContext");
        agree("seccomp", said, field, &context.child("seccompProfile"), errors);
    }
    visit(spec, at, |container, here| {
        let Some(said) = get(&format!("{SECCOMP_CONTAINER}{}", text(container, "name"))) else { return };
        let field = container.get("securityContext").and_then(|c| c.get("seccompProfile"));
        let context = here.child("securityContext");
        agree("seccomp", said, field, &context.child("seccompProfile"), errors);
    });
    if spec.get("os").is_some_and(|os| text(os, "name") == "windows") {
        return;
    }
    let of_pod = spec.get("securityContext").and_then(|c| c.get("appArmorProfile"));
    visit(spec, at, |container, here| {
        let Some(said) = get(&format!("{APP_ARMOR}{}", text(container, "name"))) else { return };
        let field = container.get("securityContext").and_then(|c| c.get("appArmorProfile")).or(of_pod);
        let context = here.child("securityContext");
        agree("apparmor", said, field, &context.child("appArmorProfile"), errors);
    });
}

fn agree(what: &str, said: &str, field: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let Some(field) = field else { return };
    let kinds_match = match text(field, "type") {
        "Unconfined" => said == "unconfined",
        "RuntimeDefault" => said == "runtime/default" || (what == "seccomp" && said == "docker/default"),
        "Localhost" => match said.strip_prefix("localhost/") {
            Some(path) if field.get("localhostProfile").and_then(Value::as_str) != Some(path) => {
                let words = format!("{what} profile in annotation and field must match");
                at.child("localhostProfile").forbidden(errors, words);
                return;
            }
            found => found.is_some(),
        },
        _ => true,
    };
    if !kinds_match {
        at.child("type").forbidden(errors, format!("{what} type in annotation and field must match"));
    }
}
