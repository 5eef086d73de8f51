//! The objects that are written.

use serde_json::json;

fn bytes(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A ConfigMap of about 1 KiB.
pub(crate) fn config_map(number: usize, generation: usize) -> Vec<u8> {
    bytes(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": format!("map-{number}"),
            "labels": { "app": format!("a{}", number % 100), "generation": generation.to_string() },
        },
        "data": { "payload": "x".repeat(1000) },
    }))
}

/// A pod of two containers, as controllers make them.
pub(crate) fn pod(number: usize) -> Vec<u8> {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example/{name}:1.2.3"), "args": ["--a=b", "--verbose"],
            "env": [
                { "name": "LEVEL", "value": "1" },
                { "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } },
            ],
            "ports": [{ "containerPort": 8080, "name": "http" }],
            "resources": {
                "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" },
            },
            "livenessProbe": { "httpGet": { "path": "/healthz", "port": 8080 }, "periodSeconds": 10 },
            "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" } },
            "volumeMounts": [{ "name": "settings", "mountPath": "/etc/settings" }],
            "securityContext": { "allowPrivilegeEscalation": false, "runAsNonRoot": true },
        })
    };
    bytes(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("pod-{number}"),
            "labels": { "app": format!("a{}", number % 100), "tier": "web" },
            "annotations": { "note": "generated" },
        },
        "spec": {
            "schedulerName": "nobody",
            "containers": [container("main"), container("side")],
            "volumes": [{ "name": "settings", "configMap": { "name": format!("map-{number}") } }],
            "tolerations": [{ "key": "x", "operator": "Exists", "effect": "NoSchedule" }],
        },
    }))
}

/// A Deployment as somebody applies it.
pub(crate) fn deployment(number: usize) -> Vec<u8> {
    let app = format!("a{number}");
    bytes(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": format!("web-{number}"), "labels": { "app": app } },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": app } },
            "template": {
                "metadata": { "labels": { "app": app } },
                "spec": { "containers": [{
                    "name": "web", "image": "registry.example/web:1.2.3",
                    "ports": [{ "containerPort": 80, "name": "http" }],
                    "env": [{ "name": "LEVEL", "value": "1" }],
                    "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
                }] },
            },
        },
    }))
}

/// A question about somebody's rights.
pub(crate) fn review(number: usize) -> Vec<u8> {
    let number = number % 1000;
    bytes(&json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("user-{number}"), "groups": ["tenants"],
            "resourceAttributes": {
                "namespace": format!("ns-{number}"), "verb": "get", "resource": "pods",
            },
        },
    }))
}
