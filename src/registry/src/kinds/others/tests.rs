//! What all kinds of these groups have in common, and every rule against objects whose answer is known:
//! one line of `creates.jsonl` per object.

use portcullis_api::field::ErrorList;
use portcullis_api::{GroupVersion, Gvk, Object, Value};
use portcullis_schema::{FieldValidation, defaults, kind_named};
use serde_json::json;

use super::*;
use crate::kinds::{meta, strategy};

#[test]
fn no_resource_has_two_strategies() {
    let keys: Vec<(&str, &str, &str)> =
        STRATEGIES.iter().copied().flatten().map(|row| (row.0, row.1, row.2)).collect();
    let once: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(once.len(), keys.len());
}

fn read(value: &Value) -> (Gvk, Object) {
    let text = |field: &str| value[field].as_str().unwrap();
    let (group, version) = text("apiVersion").split_once('/').unwrap();
    let gvk = Gvk { gv: GroupVersion::new(group, version), kind: text("kind").into() };
    let kind = kind_named(&gvk.gv.group, &gvk.gv.version, &gvk.kind).unwrap();
    let decoded = kind.decode(value.to_string().as_bytes(), FieldValidation::Ignore);
    let mut object = decoded.unwrap().object;
    defaults::apply(&gvk, &mut object);
    (gvk, object)
}

fn create(resource: &str, namespaced: bool, object: &Value) -> Vec<String> {
    let (gvk, mut new) = read(object);
    if namespaced {
        new.set_meta_str("namespace", "n");
    }
    new.set_meta_str("uid", "2f1f0c1e-9d0b-4ed1-b1f5-0f6f1f2f3f4f");
    new.metadata_mut().insert("creationTimestamp".into(), "2026-01-02T03:04:05Z".into());
    let strategy = strategy(&gvk.gv.group, resource, "").unwrap();
    strategy.prepare_create(&mut new);
    let mut errors = ErrorList::new();
    strategy.validate(&new, &mut errors);
    if errors.is_empty() {
        meta::before_create(&new, namespaced, &mut errors);
    }
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn creates_are_judged_as_recorded() {
    for line in include_str!("tests/creates.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expected: Vec<&str> =
            case["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let namespaced = case["namespaced"] == true;
        let got = create(case["resource"].as_str().unwrap(), namespaced, &case["object"]);
        assert_eq!(got, expected, "{}", case["case"]);
    }
}

#[test]
fn a053_special_addresses_are_no_endpoints() {
    let slice = |family: &str, address: &str| {
        json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": { "name": "s" },
            "addressType": family, "endpoints": [{ "addresses": [address] }], "ports": [] })
    };
    assert!(create("endpointslices", true, &slice("IPv4", "10.1.2.3")).is_empty());
    for address in ["127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "0177.0.0.1", "::1"] {
        assert!(!create("endpointslices", true, &slice("IPv4", address)).is_empty(), "{address}");
    }
    for address in ["::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::"] {
        assert!(!create("endpointslices", true, &slice("IPv6", address)).is_empty(), "{address}");
    }
}

#[test]
fn b038_schedules_that_make_no_sense_are_refused() {
    let cron = |schedule: &str| {
        json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "c" },
            "spec": { "schedule": schedule, "jobTemplate": { "spec": { "template": { "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }],
            } } } } } })
    };
    assert!(create("cronjobs", true, &cron("*/5 * * * *")).is_empty());
    for schedule in ["TZ=", "CRON_TZ=0", "TZ=UTC", "*/0 * * * *", "@every x", "60 * * * *", "", "\u{0}"] {
        assert!(!create("cronjobs", true, &cron(schedule)).is_empty(), "{schedule}");
    }
}

#[test]
fn a081_a_large_request_of_armour_is_refused_at_once() {
    let request = "-----BEGIN".repeat(300_000);
    let csr = json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": { "name": "c" },
        "spec": { "signerName": "example.com/s", "usages": ["client auth"],
            "request": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, request) } });
    assert!(!create("certificatesigningrequests", false, &csr).is_empty());
}

#[test]
fn e046_bad_bindings_are_refused() {
    let binding = |role: Value, subject: Value| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "b" }, "roleRef": role, "subjects": [subject] })
    };
    let role = |kind: &str, name: &str, group: &str| json!({ "kind": kind, "name": name, "apiGroup": group });
    const GROUP: &str = "rbac.authorization.k8s.io";
    let user = json!({ "kind": "User", "name": "u", "apiGroup": GROUP });
    let good = role("ClusterRole", "view", GROUP);
    let judged = |role: &Value, subject: &Value| {
        create("clusterrolebindings", false, &binding(role.clone(), subject.clone()))
    };
    assert!(judged(&good, &user).is_empty());
    for bad in
        [role("Role", "view", GROUP), role("ClusterRole", "", GROUP), role("ClusterRole", "x", "other")]
    {
        assert!(!judged(&bad, &user).is_empty(), "{bad}");
    }
    for bad in [
        json!({ "kind": "ServiceAccount", "name": "s" }),
        json!({ "kind": "user", "name": "u" }),
        json!({ "kind": "User", "name": "" }),
        json!({ "kind": "Group", "name": "g", "apiGroup": "other" }),
    ] {
        assert!(!judged(&good, &bad).is_empty(), "{bad}");
    }
    let (_, old) = read(&binding(good, user.clone()));
    let (_, new) = read(&binding(role("ClusterRole", "cluster-admin", GROUP), user));
    let mut errors = ErrorList::new();
    strategy(GROUP, "clusterrolebindings", "").unwrap().validate_update(&new, &old, &mut errors);
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|error| error.ends_with("cannot change roleRef")), "{told:?}");
}

fn prepared(resource: &str, object: &Value) -> Object {
    let (gvk, mut new) = read(object);
    strategy(&gvk.gv.group, resource, "").unwrap().prepare_create(&mut new);
    new
}

#[test]
fn fields_that_are_not_served_leave_every_template() {
    let template = json!({ "spec": {
        "schedulingGroup": { "podGroupName": "g" },
        "containers": [{ "name": "c", "image": "i", "lifecycle": { "stopSignal": "SIGTERM" } }],
    } });
    for (version, kind, resource, path) in [
        ("apps/v1", "Deployment", "deployments", &["spec", "template"][..]),
        ("apps/v1", "DaemonSet", "daemonsets", &["spec", "template"]),
        ("apps/v1", "ReplicaSet", "replicasets", &["spec", "template"]),
        ("apps/v1", "StatefulSet", "statefulsets", &["spec", "template"]),
        ("batch/v1", "Job", "jobs", &["spec", "template"]),
        ("batch/v1", "CronJob", "cronjobs", &["spec", "jobTemplate", "spec", "template"]),
    ] {
        let spec = path.iter().rev().fold(template.clone(), |inner, step| json!({ (*step): inner }));
        let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" } });
        object["spec"] = spec["spec"].clone();
        let new = prepared(resource, &object);
        let pod = new.at(path).unwrap()["spec"].clone();
        assert!(pod.get("schedulingGroup").is_none(), "{kind}");
        assert!(pod["containers"][0].get("lifecycle").is_none(), "{kind}");
    }
}

#[test]
fn fields_that_are_not_served_leave_slices() {
    let slice = json!({ "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": { "name": "s" },
        "spec": { "driver": "d", "pool": { "name": "p" }, "devices": [{ "name": "a",
            "nodeAllocatableResourceMappings": { "cpu": {} },
            "attributes": { "x": { "string": "s" }, "y": { "strings": ["s"] } } }] } });
    let new = prepared("resourceslices", &slice);
    let device = new.at(&["spec", "devices"]).unwrap()[0].clone();
    assert_eq!(device, json!({ "name": "a", "attributes": { "x": { "string": "s" }, "y": {} } }));
}

#[test]
fn topologies_that_ask_for_the_same_are_told_and_empty_ones_always() {
    let class = |terms: Value| {
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "c" },
            "provisioner": "p.io/x", "allowedTopologies": terms })
    };
    let term = |values: Value| json!({ "matchLabelExpressions": [{ "key": "k", "values": values }] });
    let told = |terms: Value| create("storageclasses", false, &class(terms));
    assert!(told(json!([term(json!(["a", "b"])), term(json!(["a"]))])).is_empty());
    assert_eq!(
        told(json!([term(json!(["a", "b"])), term(json!(["b", "a"]))])),
        ["allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""]
    );
    assert_eq!(told(json!([{}])), ["allowedTopologies[0].matchLabelExpressions: Duplicate value: \"\""]);
}

#[test]
fn old_names_of_nodes_labels_are_told() {
    let warned = |resource: &str, object: Value| {
        let (gvk, new) = read(&object);
        strategy(&gvk.gv.group, resource, "").unwrap().warnings(&new, None).len()
    };
    let old = "beta.kubernetes.io/os";
    let storage =
        |kind: &str| json!({ "apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": { "name": "x" } });
    let mut class = storage("StorageClass");
    class["allowedTopologies"] = json!([{ "matchLabelExpressions": [{ "key": old, "values": ["a"] }] }]);
    assert_eq!(warned("storageclasses", class), 1);
    let mut capacity = storage("CSIStorageCapacity");
    capacity["nodeTopology"] = json!({ "matchLabels": { old: "x" } });
    assert_eq!(warned("csistoragecapacities", capacity), 1);
    let runtime = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "r" },
        "handler": "h", "scheduling": { "nodeSelector": { old: "x", "other": "y" } } });
    assert_eq!(warned("runtimeclasses", runtime), 1);
}
