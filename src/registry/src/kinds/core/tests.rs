//! Every rule against objects whose answer is known: one line of `creates.jsonl` per object.

use portcullis_api::field::ErrorList;
use portcullis_api::{GroupVersion, Gvk, Object, Value};
use portcullis_schema::{FieldValidation, defaults, kind_named};
use serde_json::json;

use super::STRATEGIES;
use crate::kinds::meta;
use crate::strategy::Strategy;

fn strategy(resource: &str, subresource: &str) -> &'static dyn Strategy {
    let row = STRATEGIES.iter().find(|row| row.1 == resource && row.2 == subresource);
    row.map(|row| row.3).unwrap()
}

fn read(value: &Value) -> Object {
    let kind = value.get("kind").and_then(Value::as_str).unwrap();
    let decoded =
        kind_named("", "v1", kind).unwrap().decode(value.to_string().as_bytes(), FieldValidation::Ignore);
    let mut object = decoded.unwrap().object;
    defaults::apply(&Gvk { gv: GroupVersion::new("", "v1"), kind: kind.into() }, &mut object);
    object
}

fn is_namespaced(resource: &str) -> bool {
    !matches!(resource, "nodes" | "namespaces" | "persistentvolumes")
}

/// What the cluster assigns to a service before it is judged.
fn assign(service: &mut Object) {
    if service.str_at(&["spec", "clusterIP"]).is_empty() {
        service.set_at(&["spec", "clusterIP"], "10.96.0.9".into());
    }
    let address = service.str_at(&["spec", "clusterIP"]).to_owned();
    service.set_at(&["spec", "clusterIPs"], json!([address]));
    if service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
        && service.str_at(&["spec", "type"]) == "LoadBalancer"
    {
        service.set_at(&["spec", "healthCheckNodePort"], 30001.into());
    }
}

fn told(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn create(resource: &str, object: &Value) -> Vec<String> {
    let mut new = read(object);
    if is_namespaced(resource) {
        new.set_meta_str("namespace", "n");
    }
    if resource == "services" {
        assign(&mut new);
    }
    let strategy = strategy(resource, "");
    strategy.prepare_create(&mut new);
    let mut errors = ErrorList::new();
    strategy.validate(&new, &mut errors);
    if errors.is_empty() {
        meta::before_create(&new, is_namespaced(resource), &mut errors);
    }
    told(&errors)
}

fn update(resource: &str, subresource: &str, new: &mut Object, old: &Object) -> Vec<String> {
    let strategy = strategy(resource, subresource);
    strategy.prepare_update(new, old);
    meta::carry_over(new, old);
    let mut errors = ErrorList::new();
    strategy.validate_update(new, old, &mut errors);
    told(&errors)
}

#[test]
fn creates_are_judged_as_recorded() {
    for line in include_str!("tests/creates.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expected: Vec<&str> =
            case["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let got = create(case["resource"].as_str().unwrap(), &case["object"]);
        assert_eq!(got, expected, "{}", case["case"]);
    }
}

#[test]
fn a_forbidden_change_of_a_pod_is_shown() {
    let old = read(&serde_json::from_str(include_str!("tests/pod-before.json")).unwrap());
    let mut new = read(&serde_json::from_str(include_str!("tests/pod-after.json")).unwrap());
    for field in ["namespace", "resourceVersion"] {
        new.set_meta_str(field, old.meta_str(field));
    }
    let expected = include_str!("tests/pod-difference.txt");
    assert_eq!(update("pods", "", &mut new, &old), [format!("spec: {expected}")]);
}

fn pod(spec: Value) -> Object {
    let mut pod = read(&json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": "p", "namespace": "n", "resourceVersion": "1", "generation": 1}}));
    pod.set_at(&["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    pod
}

#[test]
fn ephemeral_containers_stay() {
    let containers = json!([{"name": "c", "image": "i"}]);
    let old = pod(json!({"containers": containers, "ephemeralContainers": [{"name": "dbg", "image": "i"}]}));
    let mut new = pod(json!({"containers": containers}));
    assert_eq!(
        update("pods", "ephemeralcontainers", &mut new, &old),
        ["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"dbg\" may not be removed\n"]
    );
    assert_eq!(new.generation(), 2);
}

#[test]
fn a_resize_changes_nothing_but_resources() {
    let requests = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let mut old = pod(json!({"containers": [{"name": "c", "image": "i", "resources": requests("1")}]}));
    old.set_at(&["status", "qosClass"], "Burstable".into());
    let mut new = pod(json!({"containers": [{"name": "c", "image": "z", "resources": requests("2")}]}));
    assert_eq!(update("pods", "resize", &mut new, &old), [""; 0]);
    assert_eq!(new.at(&["spec", "containers"]).unwrap()[0]["image"], "i");
    assert_eq!(new.at(&["spec", "containers"]).unwrap()[0]["resources"], requests("2"));
    let mut none = pod(json!({"containers": [{"name": "c", "image": "i", "resources": {}}]}));
    assert_eq!(
        update("pods", "resize", &mut none, &old),
        [
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"
        ]
    );
}

#[test]
fn what_is_immutable_stays() {
    let secret = |extra: Value| {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "immutable": true,
            "metadata": {"name": "s", "namespace": "n", "resourceVersion": "1"}});
        secret.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        read(&secret)
    };
    let old = secret(json!({}));
    assert_eq!(
        update("secrets", "", &mut secret(json!({"stringData": {"a": "b"}})), &old),
        ["data: Forbidden: field is immutable when `immutable` is set"]
    );
    assert_eq!(
        update("secrets", "", &mut secret(json!({"immutable": false})), &old),
        ["immutable: Forbidden: field is immutable when `immutable` is set"]
    );
    assert_eq!(
        update("secrets", "", &mut secret(json!({"type": "z"})), &old),
        ["type: Invalid value: \"z\": field is immutable"]
    );
}

#[test]
fn a_bound_claim_may_grow() {
    let claim = |size: &str| {
        let mut claim = read(&json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c", "namespace": "n", "resourceVersion": "1"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}));
        claim.set_at(&["status", "phase"], "Bound".into());
        claim.set_at(&["status", "capacity"], json!({"storage": "1Gi"}));
        claim
    };
    assert_eq!(update("persistentvolumeclaims", "", &mut claim("2Gi"), &claim("1Gi")), [""; 0]);
    assert_eq!(
        update("persistentvolumeclaims", "", &mut claim("512Mi"), &claim("1Gi")),
        ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
    );
}

#[test]
fn a_pod_ends_in_its_own_time() {
    let mut running = pod(json!({"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}));
    let grace = |pod: &Object, asked| strategy("pods", "").grace_period(pod, asked);
    assert_eq!(grace(&running, None), Some(30));
    assert_eq!(grace(&running, Some(5)), Some(5));
    assert_eq!(grace(&running, Some(-1)), Some(1));
    running.set_at(&["status", "phase"], "Succeeded".into());
    assert_eq!(grace(&running, None), Some(0));
    let waiting = pod(json!({"containers": [{"name": "c", "image": "i"}]}));
    assert_eq!(grace(&waiting, Some(30)), Some(0));
}

#[test]
fn nasty_objects_are_refused_without_a_panic() {
    let texts =
        ["", "\u{0}", "é", "..", "/", "a/b/c", "999999999999999999999999999999e9999999999", "-1", "1e-400"];
    for text in texts {
        let spec = json!({"containers": [{"name": text, "image": text, "ports": [{"name": text, "hostIP": text}],
            "env": [{"name": text, "valueFrom": {"fieldRef": {"fieldPath": text}}}],
            "volumeMounts": [{"name": text, "mountPath": text, "subPath": text}],
            "securityContext": {"windowsOptions": {"runAsUserName": text}, "procMount": text}}],
            "nodeName": text, "hostname": text, "dnsConfig": {"nameservers": [text], "searches": [text]},
            "volumes": [{"name": text, "iscsi": {"iqn": text, "targetPortal": text}},
                {"name": text, "quobyte": {"registry": text}}, {"name": text, "hostPath": {"path": text}}],
            "tolerations": [{"key": text, "operator": text, "value": text}]});
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": text, "labels": {text: text}}, "spec": spec});
        assert!(!create("pods", &object).is_empty(), "{text:?}");
    }
}
