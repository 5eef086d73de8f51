use serde_json::{Value, json};

use super::*;
use portcullis_api::{GroupVersion, Gvk, Object};

fn object(value: Value) -> Object {
    Object::new(value.as_object().cloned().unwrap_or_default())
}

/// What defaulting adds to or changes in the `spec` of a kind.
fn spec_of(group: &str, version: &str, kind: &str, spec: Value) -> Value {
    let mut tree = object(json!({"metadata": {"name": "n"}, "spec": spec}));
    let gvk = Gvk { gv: GroupVersion::new(group, version), kind: kind.into() };
    super::super::apply(&gvk, &mut tree);
    tree.get("spec").cloned().unwrap_or_default()
}

fn pod_defaults() -> Value {
    json!({
        "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
        "securityContext": {}, "terminationGracePeriodSeconds": 30,
    })
}

#[test]
fn deployments() {
    let spec = spec_of("apps", "v1", "Deployment", json!({"template": {"metadata": {}, "spec": {}}}));
    let expected = json!({
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "template": {"metadata": {}, "spec": pod_defaults()},
    });
    assert_eq!(spec, expected);
    let spec = spec_of("apps", "v1", "Deployment", json!({"strategy": {"type": "Recreate"}}));
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn stateful_sets() {
    let spec =
        spec_of("apps", "v1", "StatefulSet", json!({"volumeClaimTemplates": [{"metadata": {}, "spec": {}}]}));
    assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(
        spec["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
    let claim = &spec["volumeClaimTemplates"][0];
    assert_eq!(
        (&claim["kind"], &claim["status"]),
        (&json!("PersistentVolumeClaim"), &json!({"phase": "Pending"}))
    );
    assert_eq!(claim["spec"]["volumeMode"], "Filesystem");
    let spec = spec_of("apps", "v1", "StatefulSet", json!({"updateStrategy": {"type": "RollingUpdate"}}));
    assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate"}));
}

#[test]
fn jobs() {
    let spec = spec_of("batch", "v1", "Job", json!({"completions": 5, "podFailurePolicy": {"rules": []}}));
    assert_eq!((&spec["completions"], &spec["parallelism"]), (&json!(5), &json!(1)));
    assert_eq!(spec["podReplacementPolicy"], "Failed");
    let spec = spec_of("batch", "v1", "Job", json!({"parallelism": 2, "backoffLimitPerIndex": 1}));
    assert_eq!((spec.get("completions"), &spec["backoffLimit"]), (None, &json!(i32::MAX)));
    let mut job = object(json!({"metadata": {}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}));
    batch::job(&mut job);
    assert_eq!(job.labels().collect::<Vec<_>>(), [("a", "b")]);
}

#[test]
fn autoscalers() {
    let spec = spec_of(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        json!({"behavior": {"scaleUp": {"selectPolicy": "Min"}}}),
    );
    let up = &spec["behavior"]["scaleUp"];
    assert_eq!((&up["selectPolicy"], &up["stabilizationWindowSeconds"]), (&json!("Min"), &json!(0)));
    assert_eq!(up["policies"].as_array().map(Vec::len), Some(2));
    assert_eq!(spec["behavior"]["scaleDown"].get("stabilizationWindowSeconds"), None);
    assert_eq!(spec["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    let spec = spec_of("autoscaling", "v1", "HorizontalPodAutoscaler", json!({}));
    assert_eq!(spec, json!({"minReplicas": 1, "targetCPUUtilizationPercentage": 80}));
}

#[test]
fn network_policies() {
    let types =
        |spec: Value| spec_of("networking.k8s.io", "v1", "NetworkPolicy", spec)["policyTypes"].clone();
    assert_eq!(types(json!({})), json!(["Ingress"]));
    assert_eq!(types(json!({"egress": [{}]})), json!(["Ingress", "Egress"]));
    assert_eq!(types(json!({"egress": [{}], "policyTypes": ["Egress"]})), json!(["Egress"]));
}

#[test]
fn parameters_of_ingress_classes_are_of_the_cluster() {
    let scope = |parameters: Value| {
        let spec = json!({"controller": "a/b", "parameters": parameters});
        spec_of("networking.k8s.io", "v1", "IngressClass", spec)["parameters"]["scope"].clone()
    };
    assert_eq!(scope(json!({"kind": "k"})), "Cluster");
    // This is one of the pointers that Go writes even if they point to nothing.
    assert_eq!(scope(json!({"kind": "k", "scope": null})), "Cluster");
    assert_eq!(scope(json!({"kind": "k", "scope": "Namespace"})), "Namespace");
}

#[test]
fn custom_resource_definitions() {
    let mut crd = object(
        json!({"spec": {"names": {"kind": "Thing"}, "versions": [{"name": "v0"}, {"name": "v1", "storage": true}]}}),
    );
    apiextensions::custom_resource_definition(&mut crd);
    assert_eq!(crd.str_at(&["spec", "names", "singular"]), "thing");
    assert_eq!(crd.str_at(&["spec", "names", "listKind"]), "ThingList");
    assert_eq!(crd.at(&["status", "storedVersions"]), Some(&json!(["v1"])));
    assert_eq!(crd.str_at(&["spec", "conversion", "strategy"]), "None");
}

#[test]
fn bindings_name_the_group_of_users() {
    let mut binding = object(
        json!({"roleRef": {"kind": "Role"}, "subjects": [{"kind": "User"}, {"kind": "ServiceAccount"}]}),
    );
    rbac::binding(&mut binding);
    let group = "rbac.authorization.k8s.io";
    assert_eq!(binding.str_at(&["roleRef", "apiGroup"]), group);
    assert_eq!(
        binding.get("subjects"),
        Some(&json!([{"kind": "User", "apiGroup": group}, {"kind": "ServiceAccount"}]))
    );
}

#[test]
fn the_rest() {
    let hook = |kind| {
        let mut tree = object(json!({"webhooks": [{"rules": [{}], "clientConfig": {"service": {}}}]}));
        let gvk = Gvk {
            gv: GroupVersion::new("admissionregistration.k8s.io", "v1"),
            kind: String::from(kind).into(),
        };
        super::super::apply(&gvk, &mut tree);
        tree.get("webhooks").cloned().unwrap_or_default()[0].clone()
    };
    assert_eq!(hook("ValidatingWebhookConfiguration").get("reinvocationPolicy"), None);
    let expected = json!({
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "timeoutSeconds": 10, "reinvocationPolicy": "Never", "rules": [{"scope": "*"}],
        "clientConfig": {"service": {"port": 443}},
    });
    assert_eq!(hook("MutatingWebhookConfiguration"), expected);
    let spec = spec_of("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", json!({"matchingPrecedence": 0}));
    assert_eq!(spec["matchingPrecedence"], 1000);
    let limited = json!({"limited": {"limitResponse": {"queuing": {}}}});
    let spec = spec_of("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", limited);
    assert_eq!(
        spec["limited"]["limitResponse"]["queuing"],
        json!({"handSize": 8, "queues": 64, "queueLengthLimit": 50})
    );
    let request = json!({"devices": {"requests": [{"exactly": {"tolerations": [{}]}}]}});
    let spec = spec_of("resource.k8s.io", "v1", "ResourceClaim", request);
    let exactly = json!({"allocationMode": "ExactCount", "count": 1, "tolerations": [{"operator": "Equal"}]});
    assert_eq!(spec["devices"]["requests"][0]["exactly"], exactly);
    let spec = spec_of("storage.k8s.io", "v1", "CSIDriver", json!({"attachRequired": false}));
    assert_eq!(
        (&spec["attachRequired"], &spec["volumeLifecycleModes"]),
        (&json!(false), &json!(["Persistent"]))
    );
}
