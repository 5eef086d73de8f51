//! The three lists of containers of a pod.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, int, items, opt_int, text};
use super::options::Options;
use super::spec::{host_users, visit};
use super::{container, probe};

/// What the rules for a container need to know of its pod.
pub(super) struct Context<'a> {
    pub(super) volumes: Vec<(&'a str, &'a Value)>,
    pub(super) claims: Vec<&'a str>,
    pub(super) grace: Option<i64>,
    pub(super) restart_policy: &'a str,
    pub(super) host_users: bool,
    pub(super) os: Option<&'a str>,
    pub(super) options: Options,
}

impl<'a> Context<'a> {
    pub(super) fn new(spec: &'a Value, volumes: Vec<(&'a str, &'a Value)>, options: Options) -> Self {
        let mut claims: Vec<&str> =
            items(spec, "resourceClaims").iter().map(|c| text(c, "name")).filter(|n| !n.is_empty()).collect();
        claims.sort_unstable();
        claims.dedup();
        Self {
            volumes,
            claims,
            grace: opt_int(spec, "terminationGracePeriodSeconds"),
            restart_policy: text(spec, "restartPolicy"),
            host_users: host_users(spec),
            os: spec.get("os").map(|os| text(os, "name")),
            options,
        }
    }

    pub(super) fn volume(&self, name: &str) -> Option<&'a Value> {
        self.volumes.iter().find(|(n, _)| *n == name).map(|(_, volume)| *volume)
    }
}

/// The containers that run side by side.
pub(super) fn regular(spec: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let containers = items(spec, "containers");
    if containers.is_empty() {
        at.required(errors, "");
        return;
    }
    for (i, container) in containers.iter().enumerate() {
        let here = at.index(i);
        container::common(container, pod, here, errors);
        let name = text(container, "name");
        if containers.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
        probe::life(container, pod, &here, errors);
        container::restart_policy(container, &here, errors);
    }
    host_port_conflicts(containers, at, errors);
}

/// The containers that run before the others, or beside them all their life.
pub(super) fn init(spec: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let containers = items(spec, "initContainers");
    for (i, container) in containers.iter().enumerate() {
        let here = at.index(i);
        container::common(container, pod, here, errors);
        container::init_restart_policy(container, &here, errors);
        let name = text(container, "name");
        let named = |other: &Value| text(other, "name") == name;
        let repeated = !name.is_empty() && containers.iter().take(i).any(named);
        if repeated || items(spec, "containers").iter().any(named) {
            here.child("name").duplicate(errors, name);
        }
        host_port_conflicts(std::slice::from_ref(container), at, errors);
        let sidecar = text(container, "restartPolicy") == "Always";
        if sidecar {
            probe::life(container, pod, &here, errors);
        } else {
            probe::none(container, &here, errors);
            container::no_restart_on_resize(container, &here, errors);
        }
    }
}

/// The containers that join for debugging.
pub(super) fn ephemeral(spec: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let containers = items(spec, "ephemeralContainers");
    let others = || items(spec, "containers").iter().chain(items(spec, "initContainers"));
    for (i, container) in containers.iter().enumerate() {
        let here = at.index(i);
        container::common(container, pod, here, errors);
        trimmed_image(container, &here, errors);
        let name = text(container, "name");
        if others().chain(containers.iter().take(i)).any(|other| text(other, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others().any(|other| text(other, "name") == target) {
            here.child("targetContainerName").not_found(errors, target);
        }
        only_ephemeral_fields(container, &here, errors);
    }
}

fn only_ephemeral_fields(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    const FORBIDDEN: [&str; 9] = [
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ];
    let words = "cannot be set for an Ephemeral Container";
    for field in FORBIDDEN {
        let set = match container.get(field) {
            None | Some(Value::Null) => false,
            Some(Value::Object(map)) => field != "resources" || !map.is_empty(),
            Some(_) => true,
        };
        if set {
            at.child(field).forbidden(errors, words);
        }
    }
    let mounts = at.child("volumeMounts");
    for (i, mount) in items(container, "volumeMounts").iter().enumerate() {
        for field in ["subPath", "subPathExpr"] {
            if !text(mount, field).is_empty() {
                mounts.index(i).child(field).forbidden(errors, words);
            }
        }
    }
}

/// A pod's image reference must not be padded; a template's may be.
pub(super) fn trimmed_image(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let image = text(container, "image");
    if image.trim().len() != image.len() {
        at.child("image").invalid(errors, image, "must not have leading or trailing whitespace");
    }
}

/// No two ports may ask for the same port of the host.
fn host_port_conflicts(containers: &[Value], at: At<'_>, errors: &mut ErrorList) {
    let mut taken: Vec<(&str, &str, i64)> = Vec::new();
    for (c, container) in containers.iter().enumerate() {
        let here = at.index(c);
        let ports = here.child("ports");
        for (p, port) in items(container, "ports").iter().enumerate() {
            let wanted = (text(port, "protocol"), text(port, "hostIP"), int(port, "hostPort"));
            if wanted.2 == 0 {
                continue;
            }
            if taken.contains(&wanted) {
                let words = format!("{}/{}/{}", wanted.0, wanted.1, wanted.2);
                ports.index(p).child("hostPort").duplicate(errors, words);
            } else {
                taken.push(wanted);
            }
        }
    }
}

/// Variables read from files must name an empty directory of the pod.
pub(super) fn file_keys(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let volumes = items(spec, "volumes");
    visit(spec, at, |container, here| {
        let list = here.child("env");
        for (i, variable) in items(container, "env").iter().enumerate() {
            let Some(key) = variable.get("valueFrom").and_then(|source| source.get("fileKeyRef")) else {
                continue;
            };
            let name = text(key, "volumeName");
            let entry = list.index(i);
            let source = entry.child("valueFrom");
            let reference = source.child("fileKeyRef");
            match volumes.iter().rfind(|volume| text(volume, "name") == name) {
                None => reference.child("volumeName").not_found(errors, name),
                Some(volume) if volume.get("emptyDir").is_none() => {
                    let words = "referenced volume must be of type emptyDir";
                    reference.child("volumeName").invalid(errors, name, words);
                }
                Some(_) => {}
            }
        }
    });
}

/// The rule for names of containers.
pub(super) const NAME: names::Rule = names::dns1123_label;
