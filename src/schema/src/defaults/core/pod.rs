//! Defaults of pods and pod templates.
//!
//! A template gets what every pod spec gets; a pod gets more: requests from limits, service links,
//! host ports. Upstream's conversions that show on the wire (`serviceAccount` repeats
//! `serviceAccountName`, `podIP` repeats the first of `podIPs`) happen here too.

use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::super::tree::{child, child_or_new, each, set_empty, set_missing, set_zero, str_of};
use super::image::pull_policy;
use super::pod_resources;
use super::quantities::{requirements, resource_list};
use super::volume::{field_ref, volume};

/// Annotations that once held init containers; they are dropped wherever they come from.
const DROPPED_ANNOTATIONS: [&str; 4] = [
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// The defaults of a pod.
pub(super) fn pod(object: &mut Object) {
    drop_annotations(object.map_mut());
    if let Some(spec) = child_or_new(object.map_mut(), "spec") {
        pod_resources::apply(spec);
        set_missing(spec, "enableServiceLinks", true);
        if spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default() {
            each(spec, "containers", host_ports);
            each(spec, "initContainers", host_ports);
        }
        pod_spec(spec);
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
            spec.insert("terminationGracePeriodSeconds".into(), 1.into());
        }
    }
    if let Some(status) = child(object.map_mut(), "status") {
        pod_status(status);
    }
}

/// The defaults of a pod template: of its spec.
pub(crate) fn pod_template(template: &mut Map<String, Value>) {
    drop_annotations(template);
    if let Some(spec) = child_or_new(template, "spec") {
        pod_spec(spec);
    }
}

/// The defaults of any pod spec.
pub(super) fn pod_spec(spec: &mut Map<String, Value>) {
    set_empty(spec, "dnsPolicy", "ClusterFirst");
    set_empty(spec, "restartPolicy", "Always");
    set_missing(spec, "securityContext", Map::new());
    set_missing(spec, "terminationGracePeriodSeconds", 30);
    set_empty(spec, "schedulerName", "default-scheduler");
    each(spec, "volumes", volume);
    each(spec, "initContainers", container);
    each(spec, "containers", container);
    each(spec, "ephemeralContainers", container);
    resource_list(spec, "overhead");
    requirements(spec, "resources");
    service_account(spec);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are always written.
fn service_account(spec: &mut Map<String, Value>) {
    let name = [str_of(spec, "serviceAccountName"), str_of(spec, "serviceAccount")];
    let Some(name) = name.into_iter().find(|n| !n.is_empty()).map(str::to_owned) else { return };
    spec.insert("serviceAccountName".into(), name.as_str().into());
    spec.insert("serviceAccount".into(), name.into());
}

fn drop_annotations(object: &mut Map<String, Value>) {
    let Some(metadata) = child(object, "metadata") else { return };
    let Some(annotations) = child(metadata, "annotations") else { return };
    annotations.retain(|key, _| !DROPPED_ANNOTATIONS.contains(&key.as_str()));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

fn container(container: &mut Map<String, Value>) {
    if str_of(container, "imagePullPolicy").is_empty() {
        let policy = pull_policy(str_of(container, "image"));
        container.insert("imagePullPolicy".into(), policy.into());
    }
    set_empty(container, "terminationMessagePath", "/dev/termination-log");
    set_empty(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| set_empty(port, "protocol", "TCP"));
    each(container, "env", variable);
    requirements(container, "resources");
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = child(container, field) {
            probe(found);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for field in ["postStart", "preStop"] {
            if let Some(handler) = child(lifecycle, field) {
                http_get(handler);
            }
        }
    }
}

fn variable(variable: &mut Map<String, Value>) {
    let Some(source) = child(variable, "valueFrom") else { return };
    field_ref(source);
    if let Some(file) = child(source, "fileKeyRef") {
        set_missing(file, "optional", false);
    }
}

fn probe(probe: &mut Map<String, Value>) {
    set_zero(probe, "timeoutSeconds", 1);
    set_zero(probe, "periodSeconds", 10);
    set_zero(probe, "successThreshold", 1);
    set_zero(probe, "failureThreshold", 3);
    http_get(probe);
    if let Some(grpc) = child(probe, "grpc") {
        // A pointer that is never omitted: decoding shows it as null.
        set_empty(grpc, "service", "");
    }
}

fn http_get(handler: &mut Map<String, Value>) {
    if let Some(action) = child(handler, "httpGet") {
        set_empty(action, "path", "/");
        set_empty(action, "scheme", "HTTP");
    }
}

fn host_ports(container: &mut Map<String, Value>) {
    each(container, "ports", |port| {
        let number = port.get("containerPort").and_then(Value::as_i64).unwrap_or_default();
        if number != 0 {
            set_zero(port, "hostPort", number);
        }
    });
}

fn pod_status(status: &mut Map<String, Value>) {
    for field in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        each(status, field, |container| {
            resource_list(container, "allocatedResources");
            requirements(container, "resources");
        });
    }
    resource_list(status, "allocatedResources");
    requirements(status, "resources");
    let first = status.get("podIPs").and_then(|list| list.get(0)?.get("ip")?.as_str());
    match (str_of(status, "podIP"), first) {
        ("", Some(first)) => {
            let first = first.to_owned();
            status.insert("podIP".into(), first.into());
        }
        ("", None) => {}
        (ip, first) if first != Some(ip) => {
            let list = json!([{"ip": ip}]);
            status.insert("podIPs".into(), list);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(spec: Value) -> Value {
        let mut object = Object::default();
        object.set_at(&["spec"], spec);
        pod(&mut object);
        object.get("spec").cloned().unwrap()
    }

    #[test]
    fn a_plain_pod_is_filled_in() {
        assert_eq!(
            defaulted(json!({"containers": [{"name": "c", "image": "i", "resources": {}}]})),
            json!({
                "containers": [{"name": "c", "image": "i", "resources": {}, "imagePullPolicy": "Always",
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
                "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
                "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30
            })
        );
    }

    #[test]
    fn limits_become_requests_and_host_ports_follow() {
        let spec = defaulted(json!({"hostNetwork": true, "serviceAccount": "a", "containers": [
            {"name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
             "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]}));
        assert_eq!(
            spec.pointer("/containers/0/resources/requests"),
            Some(&json!({"cpu": "500m", "memory": "1Gi"}))
        );
        assert_eq!(
            spec.pointer("/containers/0/ports/0"),
            Some(&json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"}))
        );
        assert_eq!(spec.get("serviceAccountName"), Some(&json!("a")));
    }

    #[test]
    fn volumes_and_probes_are_filled_in() {
        let spec = defaulted(json!({"volumes": [{"name": "v"}, {"name": "h", "hostPath": {"path": "/x"}}],
            "containers": [{"name": "c", "image": "i", "livenessProbe": {"grpc": {"port": 1}}}]}));
        assert_eq!(
            spec.get("volumes"),
            Some(
                &json!([{"name": "v", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/x", "type": ""}}])
            )
        );
        assert_eq!(
            spec.pointer("/containers/0/livenessProbe"),
            Some(&json!({"grpc": {"port": 1, "service": ""}, "timeoutSeconds": 1, "periodSeconds": 10,
                "successThreshold": 1, "failureThreshold": 3}))
        );
    }
}
