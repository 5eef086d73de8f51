//! What is accepted in a pod but probably not meant.

use portcullis_api::{Object, Value, ip};

use super::super::super::check::{At, int, items, quantity, text, texts};
use super::super::claim;
use super::super::node_labels;
use super::annotations::{SECCOMP_CONTAINER, SECCOMP_POD};
use super::app_armor;
use super::spec::visit;

const DEPRECATED_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const DEPRECATED_VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// The warnings a pod gets.
pub(super) fn pod_warnings(pod: &Object) -> Vec<String> {
    let empty = Value::Null;
    warnings(pod.get("metadata").unwrap_or(&empty), pod.get("spec").unwrap_or(&empty), "")
}

/// The warnings a pod template gets. What it was before does not matter to any of them today.
pub(crate) fn template_warnings(template: &Value, _old: Option<&Value>, at: At<'_>) -> Vec<String> {
    let empty = Value::Null;
    let part = |field| template.get(field).unwrap_or(&empty);
    warnings(part("metadata"), part("spec"), &format!("{}.", at.to_path()))
}

fn warnings(metadata: &Value, spec: &Value, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    nodes(spec, prefix, &mut found);
    annotations(metadata, prefix, &mut found);
    volumes(spec, prefix, &mut found);
    repeated(spec, prefix, &mut found);
    fractions(spec.get("overhead"), &format!("{prefix}spec.overhead"), &mut found);
    if !has_seccomp(spec) {
        seccomp(metadata, SECCOMP_POD, prefix, &mut found);
    }
    containers(metadata, spec, prefix, &mut found);
    ports(spec, prefix, &mut found);
    if int(spec, "terminationGracePeriodSeconds") < 0 {
        found.push(format!(
            "{prefix}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    affinities(spec, prefix, &mut found);
    addresses(spec, prefix, &mut found);
    found
}

/// The warnings the status of a pod gets.
pub(super) fn status_warnings(pod: &Object) -> Vec<String> {
    let mut found = Vec::new();
    for list in ["podIPs", "hostIPs"] {
        let entries = pod.at(&["status", list]).and_then(Value::as_array).into_iter().flatten();
        for (i, entry) in entries.enumerate() {
            found.extend(ip::address_warning(&format!("status.{list}[{i}].ip"), text(entry, "ip")));
        }
    }
    found
}

fn nodes(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    for (key, _) in super::super::super::check::entries(spec, "nodeSelector") {
        if let Some(words) = node_labels::deprecated(key) {
            found.push(format!("{prefix}spec.nodeSelector[{key}]: {words}"));
        }
    }
    if let Some(node) = spec.get("affinity").and_then(|a| a.get("nodeAffinity")) {
        let path = format!("{prefix}spec.affinity.nodeAffinity");
        let terms = node.get(REQUIRED).map_or(&[][..], |selector| items(selector, "nodeSelectorTerms"));
        for (i, term) in terms.iter().enumerate() {
            node_labels::term(term, false, &format!("{path}.{REQUIRED}.nodeSelectorTerms[{i}]"), found);
        }
        for (i, term) in items(node, PREFERRED).iter().enumerate() {
            let Some(preference) = term.get("preference") else { continue };
            node_labels::term(preference, true, &format!("{path}.{PREFERRED}[{i}].preference"), found);
        }
    }
    for (i, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = format!("{prefix}spec.topologySpreadConstraints[{i}]");
        let key = text(constraint, "topologyKey");
        if let Some(words) = node_labels::deprecated(key) {
            found.push(format!("{path}.topologyKey: {key} is {words}"));
        }
        if constraint.get("labelSelector").is_none() {
            found.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
}

fn annotations(metadata: &Value, prefix: &str, found: &mut Vec<String>) {
    let Some(annotations) = metadata.get("annotations") else { return };
    for (key, words) in DEPRECATED_ANNOTATIONS {
        if annotations.get(key).is_some() {
            found.push(format!("{prefix}metadata.annotations[{key}]: {words}"));
        }
    }
}

fn volumes(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    for (i, volume) in items(spec, "volumes").iter().enumerate() {
        for (field, shown, words) in DEPRECATED_VOLUMES {
            if volume.get(field).is_some() {
                found.push(format!("{prefix}spec.volumes[{i}].{shown}: {words}"));
            }
        }
        let claim = volume.get("ephemeral").and_then(|e| e.get("volumeClaimTemplate")?.get("spec"));
        if let Some(claim) = claim {
            let path = format!("{prefix}spec.volumes[{i}].ephemeral.volumeClaimTemplate.spec");
            found.extend(claim::spec_warnings(claim, &path));
        }
    }
    super::paths::overlaps(items(spec, "volumes"), found);
}

fn repeated(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    for (list, field, what) in [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")] {
        let entries = items(spec, list);
        for (i, entry) in entries.iter().enumerate() {
            let value = text(entry, field);
            if entries.iter().take(i).any(|earlier| text(earlier, field) == value) {
                found.push(format!("{prefix}spec.{list}[{i}].{field}: duplicate {what} \"{value}\""));
            }
        }
    }
    for (i, secret) in items(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            found.push(format!("{prefix}spec.imagePullSecrets[{i}].name: invalid empty name \"\""));
        }
    }
}

fn fractions(amounts: Option<&Value>, path: &str, found: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        let amount = amounts.and_then(|amounts| amounts.get(name)?.as_str());
        if let Some(amount) = amount.filter(|amount| quantity(amount).milli_value() % 1000 != 0) {
            found.push(format!(
                "{path}[{name}]: fractional byte value \"{amount}\" is invalid, must be an integer"
            ));
        }
    }
}

fn has_seccomp(holder: &Value) -> bool {
    holder.get("securityContext").is_some_and(|context| context.get("seccompProfile").is_some())
}

fn seccomp(metadata: &Value, key: &str, prefix: &str, found: &mut Vec<String>) {
    if metadata.get("annotations").is_some_and(|annotations| annotations.get(key).is_some()) {
        found.push(format!(
            "{prefix}metadata.annotations[{key}]: non-functional in v1.27+; use the \"seccompProfile\" field instead"
        ));
    }
}

fn containers(metadata: &Value, spec: &Value, prefix: &str, found: &mut Vec<String>) {
    let base = format!("{prefix}spec");
    let root = At::root(&base);
    visit(spec, &root, |container, at| {
        if metadata.get("annotations").is_some() && !has_seccomp(container) {
            seccomp(metadata, &format!("{SECCOMP_CONTAINER}{}", text(container, "name")), prefix, found);
        }
        // Pods are warned before the annotation becomes a field.
        if !prefix.is_empty() {
            found.extend(app_armor::template_warning(metadata, spec, container, prefix));
        }
        let resources = container.get("resources");
        for name in ["memory", "ephemeral-storage"] {
            for list in ["limits", "requests"] {
                let amount = resources.and_then(|resources| resources.get(list)?.get(name)?.as_str());
                if let Some(amount) = amount.filter(|amount| quantity(amount).milli_value() % 1000 != 0) {
                    let path = at.to_path();
                    found.push(format!(
                        "{path}.resources.{list}[{name}]: fractional byte value \"{amount}\" is invalid, must be an integer"
                    ));
                }
            }
        }
        hidden_variables(container, at, found);
    });
}

fn hidden_variables(container: &Value, at: At<'_>, found: &mut Vec<String>) {
    let variables = items(container, "env");
    for (i, variable) in variables.iter().enumerate() {
        let name = text(variable, "name");
        if !variables.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            continue;
        }
        let reference = format!("$({name})");
        let value = text(variable, "value");
        if variable.get("valueFrom").is_some() || value == reference || !value.contains(&reference) {
            found.push(format!(
                "{}.env[{i}]: hides previous definition of \"{name}\", which may be dropped when using apply",
                at.to_path()
            ));
        }
    }
}

fn ports(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    let base = format!("{prefix}spec");
    let root = At::root(&base);
    let mut seen: Vec<(String, &Value)> = Vec::new();
    visit(spec, &root, |container, at| {
        for (i, port) in items(container, "ports").iter().enumerate() {
            let path = format!("{}.ports[{i}]", at.to_path());
            found.extend(unbound_port(port, &path));
            for (other_path, other) in &seen {
                if let Some(words) = overlap(port, other) {
                    found.push(format!("{path}: {words} port definition with {other_path}"));
                }
            }
            seen.push((path, port));
        }
    });
    let mut named: Vec<(&str, &str)> = Vec::new();
    for (path, port) in &seen {
        let name = text(port, "name");
        if name.is_empty() {
            continue;
        }
        match named.iter().find(|(other, _)| *other == name) {
            Some((_, other)) => found.push(format!(
                "{path}: duplicate port name \"{name}\" with {other}, services and probes that select ports by name will use {other}"
            )),
            None => named.push((name, path)),
        }
    }
}

/// An address of the node is of no use without a port there.
fn unbound_port(port: &Value, path: &str) -> Option<String> {
    let address = text(port, "hostIP");
    if address.is_empty() || int(port, "hostPort") != 0 {
        return None;
    }
    let (name, number, protocol) = (text(port, "name"), int(port, "containerPort"), text(port, "protocol"));
    Some(format!(
        "{path}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{number} Protocol:{protocol} \
         HostIP:{address}}}"
    ))
}

fn overlap(port: &Value, other: &Value) -> Option<&'static str> {
    let same = |field: &str| port.get(field) == other.get(field);
    if !same("containerPort") || !same("protocol") {
        return None;
    }
    let (host, other_host) = (int(port, "hostPort"), int(other, "hostPort"));
    let unbound = text(port, "hostIP").is_empty() != text(other, "hostIP").is_empty();
    if same("hostIP") && host == other_host {
        Some("duplicate")
    } else if host == 0 || other_host == 0 {
        Some("overlapping")
    } else if host == other_host && unbound {
        Some("dangerously ambiguous")
    } else {
        None
    }
}

fn affinities(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    let words = "labelSelector: a null labelSelector results in matching no pod";
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.get("affinity").and_then(|a| a.get(kind)) else { continue };
        let path = format!("{prefix}spec.affinity.{kind}");
        for (i, term) in items(affinity, REQUIRED).iter().enumerate() {
            if term.get("labelSelector").is_none() {
                found.push(format!("{path}.{REQUIRED}[{i}].{words}"));
            }
        }
        for (i, term) in items(affinity, PREFERRED).iter().enumerate() {
            if term.get("podAffinityTerm").is_some_and(|term| term.get("labelSelector").is_none()) {
                found.push(format!("{path}.{PREFERRED}[{i}].podAffinityTerm.{words}"));
            }
        }
    }
}

fn addresses(spec: &Value, prefix: &str, found: &mut Vec<String>) {
    let servers = spec.get("dnsConfig").into_iter().flat_map(|config| texts(config, "nameservers"));
    for (i, server) in servers.enumerate() {
        found.extend(ip::address_warning(&format!("{prefix}spec.dnsConfig.nameservers[{i}]"), server));
    }
    for (i, alias) in items(spec, "hostAliases").iter().enumerate() {
        found.extend(ip::address_warning(&format!("{prefix}spec.hostAliases[{i}].ip"), text(alias, "ip")));
    }
}
