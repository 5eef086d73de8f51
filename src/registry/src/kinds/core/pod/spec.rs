//! A pod spec from top to bottom, and the template around one.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, flag, items, one_of, one_of_required, opt_int, optional_name, text};
use super::super::super::meta;
use super::lists::Context;
use super::options::Options;
use super::{annotations, host, lists, os, resources, scheduling, security, spread, volume, windows};

/// The rules for a pod template, read with options.
pub(crate) fn template(template: &Value, at: At<'_>, options: Options, errors: &mut ErrorList) {
    let empty = Value::Null;
    let metadata = template.get("metadata").unwrap_or(&empty);
    let spec = template.get("spec").unwrap_or(&empty);
    meta::labels(metadata.get("labels"), at.child("labels"), errors);
    meta::annotations(metadata.get("annotations"), at.child("annotations"), errors);
    annotations::specific(metadata, spec, at.child("annotations"), options, errors);
    let spec_at = at.child("spec");
    self::spec(spec, None, spec_at, options, errors);
    annotations::profiles_match(metadata, spec, &spec_at, errors);
    if !items(spec, "ephemeralContainers").is_empty() {
        let words = "ephemeral containers not allowed in pod template";
        spec_at.child("ephemeralContainers").forbidden(errors, words);
    }
}

/// The rules for a pod spec; `metadata` is the pod's own, if the spec is a pod's.
pub(super) fn spec(
    spec: &Value,
    metadata: Option<&Value>,
    at: At<'_>,
    options: Options,
    errors: &mut ErrorList,
) {
    if opt_int(spec, "terminationGracePeriodSeconds").is_none() {
        at.child("terminationGracePeriodSeconds").required(errors, "");
    }
    let volumes = volume::volumes(spec, metadata, at.child("volumes"), options, errors);
    let context = Context::new(spec, volumes, options);
    resources::claims(spec, metadata, at.child("resourceClaims"), errors);
    lists::regular(spec, &context, at.child("containers"), errors);
    lists::init(spec, &context, at.child("initContainers"), errors);
    lists::ephemeral(spec, &context, at.child("ephemeralContainers"), errors);
    resources::pod_level(spec, &context, at, errors);
    host::network_ports(spec, options, at, errors);
    policies(spec, &at, errors);
    meta::labels(spec.get("nodeSelector"), at.child("nodeSelector"), errors);
    security::pod(spec, at.child("securityContext"), options, errors);
    scheduling::affinity(spec.get("affinity"), options, at.child("affinity"), errors);
    host::dns_config(spec, at.child("dnsConfig"), errors);
    gates(spec, &at, errors);
    spread::constraints(spec, options, at.child("topologySpreadConstraints"), errors);
    windows::host_process(spec, &at, errors);
    host::users(spec, &at, errors);
    host::hostname_override(spec, &at, errors);
    placement(spec, &at, options, errors);
    os::rules(spec, &at, errors);
    scheduling_group(spec, &at, errors);
    lists::file_keys(spec, &at, errors);
}

fn policies(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let restart = ["Always", "OnFailure", "Never"];
    one_of_required(text(spec, "restartPolicy"), &restart, at.child("restartPolicy"), errors);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of_required(text(spec, "dnsPolicy"), &dns, at.child("dnsPolicy"), errors);
}

fn gates(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("readinessGates");
    for (i, gate) in items(spec, "readinessGates").iter().enumerate() {
        list.index(i).child("conditionType").rule(errors, text(gate, "conditionType"), names::qualified_name);
    }
    let list = at.child("schedulingGates");
    let gates = items(spec, "schedulingGates");
    for (i, gate) in gates.iter().enumerate() {
        let name = text(gate, "name");
        list.index(i).rule(errors, name, names::qualified_name);
        if gates.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            list.index(i).duplicate(errors, name);
        }
    }
}

/// Where the pod runs, under which names, for how long.
fn placement(spec: &Value, at: &At<'_>, options: Options, errors: &mut ErrorList) {
    optional_name(spec, "serviceAccountName", names::dns1123_subdomain, at, errors);
    optional_name(spec, "nodeName", names::dns1123_subdomain, at, errors);
    if let Some(seconds) = opt_int(spec, "activeDeadlineSeconds") {
        for message in names::in_range(seconds, 1, i64::from(i32::MAX)) {
            at.child("activeDeadlineSeconds").invalid(errors, seconds, message);
        }
    }
    optional_name(spec, "hostname", names::dns1123_label, at, errors);
    optional_name(spec, "subdomain", names::dns1123_label, at, errors);
    scheduling::tolerations(spec, at.child("tolerations"), errors);
    host::aliases(spec, at.child("hostAliases"), errors);
    optional_name(spec, "priorityClassName", names::dns1123_subdomain, at, errors);
    if let Some(name) = spec.get("runtimeClassName").and_then(Value::as_str) {
        at.child("runtimeClassName").rule(errors, name, names::dns1123_subdomain);
    }
    if let Some(policy) = spec.get("preemptionPolicy").and_then(Value::as_str) {
        one_of_required(policy, &["PreemptLowerPriority", "Never"], at.child("preemptionPolicy"), errors);
    }
    resources::overhead(spec, options, at.child("overhead"), errors);
}

fn scheduling_group(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(group) = spec.get("schedulingGroup") else { return };
    let at = at.child("schedulingGroup");
    match group.get("podGroupName").and_then(Value::as_str) {
        Some(name) => at.child("podGroupName").rule(errors, name, names::dns1123_subdomain),
        None => at.child("podGroupName").invalid(errors, None::<&str>, "must specify one of: `podGroupName`"),
    }
}

/// Whether the pod shares the host's users; only an explicit `false` separates them.
pub(super) fn host_users(spec: &Value) -> bool {
    spec.get("hostUsers").and_then(Value::as_bool).unwrap_or(true)
}

/// The containers of a pod with where they stand: init, regular, ephemeral.
pub(super) fn visit<'a>(spec: &'a Value, at: &At<'_>, mut see: impl FnMut(&'a Value, At<'_>)) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let list_at = at.child(list);
        for (i, container) in items(spec, list).iter().enumerate() {
            see(container, list_at.index(i));
        }
    }
}

/// The pod rules that no template has: names, projected tokens, image references.
pub(super) fn pod_only(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(spec, "serviceAccountName").is_empty() {
        tokens_need_account(spec, at, errors);
    }
    for list in ["containers", "initContainers"] {
        let list_at = at.child(list);
        for (i, container) in items(spec, list).iter().enumerate() {
            lists::trimmed_image(container, &list_at.index(i), errors);
        }
    }
}

fn tokens_need_account(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let volumes = at.child("volumes");
    for (v, volume) in items(spec, "volumes").iter().enumerate() {
        let Some(projected) = volume.get("projected") else { continue };
        let volume_at = volumes.index(v);
        let projected_at = volume_at.child("projected");
        let sources = projected_at.child("sources");
        for (s, source) in items(projected, "sources").iter().enumerate() {
            if source.get("serviceAccountToken").is_some() {
                let words = "must not be specified when serviceAccountName is not set";
                sources.index(s).child("serviceAccountToken").forbidden(errors, words);
            }
        }
    }
}

/// The flag that puts a pod on the host's network.
pub(super) fn on_host_network(spec: &Value) -> bool {
    flag(spec, "hostNetwork")
}

/// A text that must be one of a few when it is there at all.
pub(super) fn one_of_set(
    value: &Value,
    field: &str,
    supported: &[&str],
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    if let Some(text) = value.get(field).and_then(Value::as_str) {
        one_of(text, supported, at.child(field), errors);
    }
}
