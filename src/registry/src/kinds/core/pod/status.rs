//! The status of a pod, which its kubelet reports.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::super::super::check::{At, IMMUTABLE, int, items, legacy_ip, text};
use super::super::super::meta;
use super::super::diff::internal;
use super::options::Options;
use super::{reported, update};

/// The rules for an update of the status.
pub(super) fn rules(new: &Object, old: &Object, options: Options, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    update::annotation_changes(new, old, options, errors);
    let empty = Value::Null;
    let (new_status, old_status) = (new.get("status").unwrap_or(&empty), old.get("status").unwrap_or(&empty));
    let at = At::root("status");
    conditions(new_status, at.child("conditions"), errors);
    nominated(new_status, old_status, old, at.child("nominatedNodeName"), errors);
    let observed = int(new_status, "observedGeneration");
    if observed < 0 {
        at.child("observedGeneration").invalid(errors, observed, "must be a non-negative integer");
    }
    if text(new_status, "qosClass") != text(old_status, "qosClass") {
        at.child("qosClass").invalid(errors, text(new_status, "qosClass"), IMMUTABLE);
    }
    let spec = old.get("spec").unwrap_or(&empty);
    for (list, containers) in
        [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")]
    {
        transitions(new_status, old_status, list, Some((spec, containers)), at.child(list), errors);
    }
    let list = "ephemeralContainerStatuses";
    transitions(new_status, old_status, list, None, at.child(list), errors);
    reported::claims(new_status, spec, at, errors);
    addresses(new_status, old_status, "podIPs", at.child("podIPs"), errors);
    host_addresses(new_status, old_status, at.child("hostIPs"), errors);
    reported::users(new_status, spec, &at, errors);
    reported::devices(new_status, spec, &at, errors);
}

fn conditions(status: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, condition) in items(status, "conditions").iter().enumerate() {
        let here = at.index(i);
        let observed = int(condition, "observedGeneration");
        if observed < 0 {
            here.child("observedGeneration").invalid(errors, observed, "must be a non-negative integer");
        }
        let kind = text(condition, "type");
        if !["PodScheduled", "Ready", "Initialized"].contains(&kind) {
            here.child("Type").rule(errors, kind, names::qualified_name);
        }
    }
}

fn nominated(new: &Value, old_status: &Value, old: &Object, at: At<'_>, errors: &mut ErrorList) {
    let name = text(new, "nominatedNodeName");
    if name.is_empty() || name == text(old_status, "nominatedNodeName") {
        return;
    }
    at.rule(errors, name, names::dns1123_subdomain);
    if !old.str_at(&["spec", "nodeName"]).is_empty() {
        at.forbidden(errors, "may not be set on pods that are already bound to a node");
    }
}

/// A container that ended does not run again unless a policy restarts it.
fn transitions(
    new: &Value,
    old: &Value,
    list: &str,
    spec: Option<(&Value, &str)>,
    at: At<'_>,
    errors: &mut ErrorList,
) {
    let ended = |status: &Value| status.get("state").and_then(|state| state.get("terminated")).cloned();
    for (i, before) in items(old, list).iter().enumerate() {
        let Some(end) = ended(before) else { continue };
        let name = text(before, "name");
        let now = items(new, list).iter().find(|status| text(status, "name") == name);
        if now.is_none_or(|status| ended(status).is_some()) {
            continue;
        }
        let restarts =
            spec.is_some_and(|(spec, containers)| restarts(spec, containers, name, int(&end, "exitCode")));
        if !restarts {
            at.index(i).child("state").forbidden(errors, "may not be transitioned to non-terminated state");
        }
    }
}

/// Whether the kubelet may start a container again after it exited with a code.
fn restarts(spec: &Value, containers: &str, name: &str, code: i64) -> bool {
    if any_restarts_all(spec) {
        return true;
    }
    let Some(container) = items(spec, containers).iter().find(|c| text(c, "name") == name) else {
        return false;
    };
    let matches = |rule: &&Value| {
        let codes = rule.get("exitCodes");
        let listed = codes.is_some_and(|c| items(c, "values").iter().any(|v| v.as_i64() == Some(code)));
        match codes.map(|codes| text(codes, "operator")) {
            Some("In") => listed,
            Some("NotIn") => !listed,
            _ => false,
        }
    };
    if let Some(rule) = items(container, "restartPolicyRules").iter().find(matches) {
        return text(rule, "action") == "Restart";
    }
    let own = text(container, "restartPolicy");
    match if own.is_empty() { text(spec, "restartPolicy") } else { own } {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

fn any_restarts_all(spec: &Value) -> bool {
    let lists = ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    let mut rules = lists.flat_map(|container| items(container, "restartPolicyRules"));
    rules.any(|rule| text(rule, "action") == "RestartAllContainers")
}

fn addresses(new: &Value, old: &Value, list: &str, at: At<'_>, errors: &mut ErrorList) {
    let kept: Vec<&str> = items(old, list).iter().map(|entry| text(entry, "ip")).collect();
    let addresses: Vec<&str> = items(new, list).iter().map(|entry| text(entry, "ip")).collect();
    for (i, address) in addresses.iter().enumerate() {
        legacy_ip(address, &kept, at.index(i), errors);
    }
    if addresses.len() < 2 {
        return;
    }
    let v6 = addresses.iter().filter(|address| address.contains(':')).count();
    if addresses.len() > 2 || v6 != 1 {
        let kind = if list == "hostIPs" { "[]HostIP" } else { "[]PodIP" };
        let words = "may specify no more than one IP for each IP family";
        at.invalid(errors, internal(kind, new.get(list)), words);
    }
}

fn host_addresses(new: &Value, old: &Value, at: At<'_>, errors: &mut ErrorList) {
    let Some(first) = items(new, "hostIPs").first().map(|entry| text(entry, "ip")) else { return };
    if first != text(new, "hostIP") {
        at.index(0).child("ip").invalid(errors, first, "must be equal to `hostIP`");
    }
    addresses(new, old, "hostIPs", at, errors);
}
