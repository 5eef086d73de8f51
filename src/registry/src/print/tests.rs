//! Rows as upstream prints them.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Prints an object created 90 seconds ago.
#[track_caller]
fn prints(group: &str, resource: &str, mut object: Value, expected: Value) {
    if object.get("metadata").is_none() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = "n".into();
    object["metadata"]["creationTimestamp"] = "2026-11-22T11:58:30Z".into();
    assert_eq!(Value::from(cells(group, resource, &object, now())), expected);
}

#[test]
fn recorded_rows_are_printed_alike() {
    let cases: Vec<(String, String, Value, Value)> =
        serde_json::from_str(include_str!("tests/recorded.json")).unwrap();
    assert!(cases.len() >= 40);
    for (group, resource, object, expected) in cases {
        let cells = cells(&group, &resource, &object, now());
        assert_eq!(Value::from(cells), expected, "{group}/{resource}");
    }
}

#[test]
fn every_row_has_its_columns() {
    let table = include_str!("columns.tsv").lines().skip(1);
    let kinds: std::collections::BTreeSet<(&str, &str)> = table
        .map(|line| {
            let mut fields = line.split('\t');
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect();
    for (group, resource) in kinds {
        let extra = usize::from(resource == "ipaddresses");
        let cells = cells(group, resource, &json!({}), now());
        assert_eq!(cells.len(), columns(group, resource).len() + extra, "{group}/{resource}");
    }
}

#[test]
fn kinds_without_a_printer_show_when_they_were_created() {
    assert_eq!(columns("example.com", "things").len(), 2);
    prints(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        json!({}),
        json!(["n", "2026-11-22T11:58:30Z"]),
    );
    assert_eq!(cells("", "limitranges", &json!({}), now()), ["", "0001-01-01T00:00:00Z"]);
}

fn pod(status: Value) -> Value {
    json!({ "spec": { "containers": [{"name": "a"}, {"name": "b"}], "nodeName": "n1" }, "status": status })
}

#[track_caller]
fn pod_words(object: &Value, expected: [&str; 3]) {
    let cells = cells("", "pods", object, now());
    assert_eq!(cells[1..4], expected);
}

#[test]
fn a_running_pod() {
    let status = json!({
        "phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
        "containerStatuses": [
            {"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}},
             "lastState": {"terminated": {"finishedAt": "2026-11-22T11:00:00Z"}}},
            {"name": "b", "ready": false, "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        ],
    });
    let expected =
        json!(["n", "1/2", "CrashLoopBackOff", "3 (60m ago)", "90s", "10.0.0.1", "n1", "<none>", "<none>"]);
    prints("", "pods", pod(status), expected);
}

#[test]
fn pods_tell_why_they_do_not_run() {
    let gated =
        json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]});
    pod_words(&pod(gated), ["0/2", "SchedulingGated", "0"]);
    pod_words(&pod(json!({"phase": "Failed", "reason": "Evicted"})), ["0/2", "Evicted", "0"]);
    let exited = |code: i64, signal: i64| {
        json!({"phase": "Running", "containerStatuses": [
            {"state": {"terminated": {"exitCode": code, "signal": signal}}}]})
    };
    pod_words(&pod(exited(3, 0)), ["0/2", "ExitCode:3", "0"]);
    pod_words(&pod(exited(3, 9)), ["0/2", "Signal:9", "0"]);
    let mut deleting = pod(json!({"phase": "Running"}));
    deleting["metadata"] = json!({"deletionTimestamp": "2026-11-22T11:00:00Z"});
    pod_words(&deleting, ["0/2", "Terminating", "0"]);
    deleting["status"]["reason"] = "NodeLost".into();
    pod_words(&deleting, ["0/2", "Unknown", "0"]);
    deleting["status"] = json!({"phase": "Succeeded"});
    pod_words(&deleting, ["0/2", "Succeeded", "0"]);
}

#[test]
fn a_pod_with_one_completed_container_is_as_the_others() {
    let with = |ready: &str, code: i64| {
        pod(json!({
            "phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [
                {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"ready": true, "state": {"running": {}}},
                {"state": {"terminated": {"exitCode": code, "reason": "Error"}}},
            ],
        }))
    };
    pod_words(&with("True", 1), ["1/2", "Running", "0"]);
    pod_words(&with("False", 1), ["1/2", "Error", "0"]);
    pod_words(&with("False", 0), ["1/2", "NotReady", "0"]);
}

#[test]
fn init_containers_are_told_in_order() {
    let mut object = pod(json!({"phase": "Pending", "initContainerStatuses": [
        {"name": "i0", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}},
        {"name": "i1", "state": {"waiting": {"reason": "PodInitializing"}}},
    ]}));
    object["spec"]["initContainers"] = json!([{"name": "i0"}, {"name": "i1"}, {"name": "i2"}]);
    pod_words(&object, ["0/2", "Init:1/3", "4"]);
    object["status"]["initContainerStatuses"][1]["state"] = json!({"waiting": {"reason": "ErrImagePull"}});
    pod_words(&object, ["0/2", "Init:ErrImagePull", "4"]);
    object["status"]["initContainerStatuses"][1]["state"] = json!({"terminated": {"exitCode": 2}});
    pod_words(&object, ["0/2", "Init:ExitCode:2", "4"]);
    object["spec"]["initContainers"][1]["restartPolicy"] = "Always".into();
    object["status"]["initContainerStatuses"][1] =
        json!({"name": "i1", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}});
    pod_words(&object, ["1/3", "Pending", "1"]);
}

#[test]
fn finished_pods_are_marked() {
    let mark = conditions("", "pods", &pod(json!({"phase": "Succeeded"}))).unwrap();
    assert_eq!(mark[0]["reason"], "Succeeded");
    assert_eq!(conditions("", "pods", &pod(json!({"phase": "Running"}))), None);
}

#[test]
fn readiness_gates_are_counted() {
    let mut object = pod(json!({"conditions": [{"type": "a/b", "status": "True"}]}));
    object["spec"]["readinessGates"] = json!([{"conditionType": "a/b"}, {"conditionType": "c/d"}]);
    assert_eq!(cells("", "pods", &object, now())[8], "1/2");
}

#[test]
fn nodes() {
    let node = json!({
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "admin"}},
        "spec": {"unschedulable": true},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Linux", "kernelVersion": "6.1", "architecture": "amd64"},
        },
    });
    let status = "Ready,SchedulingDisabled";
    let expected = json!([
        "n",
        status,
        "admin,worker",
        "90s",
        "v1.36.2",
        "10.0.0.9",
        "<none>",
        "Linux",
        "6.1 (amd64)",
        "<unknown>"
    ]);
    prints("", "nodes", node, expected);
    let unknown = json!([
        "n",
        "Unknown",
        "<none>",
        "90s",
        "",
        "<none>",
        "<none>",
        "<unknown>",
        "<unknown>",
        "<unknown>"
    ]);
    prints("", "nodes", json!({}), unknown);
}

#[test]
fn services_of_every_type() {
    let service = |spec: Value| json!({ "spec": spec });
    let spec =
        json!({"type": "ClusterIP", "clusterIPs": ["None"], "ports": [{"port": 80, "protocol": "TCP"}]});
    prints(
        "",
        "services",
        service(spec),
        json!(["n", "ClusterIP", "None", "<none>", "80/TCP", "90s", "<none>"]),
    );
    let spec = json!({"type": "ExternalName", "externalName": "a.b"});
    prints(
        "",
        "services",
        service(spec),
        json!(["n", "ExternalName", "<none>", "a.b", "<none>", "90s", "<none>"]),
    );
    let mut object = service(json!({"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]}));
    object["status"] =
        json!({"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "a.b"}, {"ip": "1.1.1.1"}]}});
    assert_eq!(cells("", "services", &object, now())[3], "1.1.1.1,2.2.2.2,a.b,9.9.9.9");
}

#[test]
fn long_lists_are_cut() {
    let object = json!({"subsets": [{"ports": [{"port": 80}, {"port": 81}],
        "addresses": [{"ip": "1.1.1.1"}, {"ip": "fd00::1"}]}]});
    prints("", "endpoints", object, json!(["n", "1.1.1.1:80,[fd00::1]:80,1.1.1.1:81 + 1 more...", "90s"]));
    prints("", "endpoints", json!({}), json!(["n", "<none>", "90s"]));
    let rules = json!([{"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}]);
    let ingress = json!({"spec": {"ingressClassName": "x", "tls": [{}], "rules": rules}});
    prints(
        "networking.k8s.io",
        "ingresses",
        ingress,
        json!(["n", "x", "a,b,c + 1 more...", "", "80, 443", "90s"]),
    );
    let slice = json!({"addressType": "IPv4", "ports": [{"port": 1}, {"name": "x"}, {}, {"port": 2}],
        "endpoints": [{"addresses": ["1.1.1.1"]}]});
    let expected = json!(["n", "IPv4", "1,x,* + 1 more...", "1.1.1.1", "90s"]);
    prints("discovery.k8s.io", "endpointslices", slice, expected);
}

#[test]
fn jobs_in_every_state() {
    let status = |kind: &str| json!({"conditions": [{"type": kind, "status": "True"}]});
    for (kind, word) in [("Complete", "Complete"), ("Suspended", "Suspended"), ("Other", "Running")] {
        assert_eq!(cells("batch", "jobs", &json!({"status": status(kind)}), now())[1], word);
    }
    let job = json!({"spec": {"parallelism": 3}, "status": {"succeeded": 1,
        "startTime": "2026-11-22T11:00:00Z", "completionTime": "2026-11-22T11:05:00Z"}});
    prints("batch", "jobs", job, json!(["n", "Running", "1/1 of 3", "5m", "90s", "", "", "<none>"]));
}

#[test]
fn autoscalers_with_several_metrics() {
    let metric =
        |name: &str, target: Value| json!({"type": "Resource", "resource": {"name": name, "target": target}});
    let spec = json!({"maxReplicas": 9, "metrics": [
        metric("cpu", json!({"averageUtilization": 50})), metric("memory", json!({"averageValue": "1Gi"})),
        {"type": "External", "external": {"target": {"value": "3"}}}]});
    let status = json!({"currentMetrics": [{"resource": {"current": {"averageUtilization": 7}}}]});
    let hpa = json!({"spec": spec, "status": status});
    let expected =
        json!(["n", "/", "cpu: 7%/50%, memory: <unknown>/1Gi + 1 more...", "<unset>", 9, 0, "90s"]);
    prints("autoscaling", "horizontalpodautoscalers", hpa, expected);
}

#[test]
fn selectors_as_text() {
    let requirement = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
    let selector = json!({"matchLabels": {"z": "1"}, "matchExpressions": [
        requirement("b", "In", &["y", "x"]), requirement("a", "DoesNotExist", &[]), requirement("c", "Exists", &[])]});
    let policy = json!({"spec": {"podSelector": selector}});
    prints("networking.k8s.io", "networkpolicies", policy, json!(["n", "!a,b in (x,y),c,z=1", "90s"]));
    let wrong = json!({"spec": {"podSelector": {"matchExpressions": [requirement("a", "In", &[])]}}});
    prints("networking.k8s.io", "networkpolicies", wrong, json!(["n", "<error>", "90s"]));
}

#[test]
fn bindings_of_policies_show_their_parameters() {
    let binding = |parameter: Value| json!({"spec": {"policyName": "p", "paramRef": parameter}});
    let shows = |parameter: Value, expected: &str| {
        let group = "admissionregistration.k8s.io";
        let cells = cells(group, "validatingadmissionpolicybindings", &binding(parameter), now());
        assert_eq!(cells[2], expected);
    };
    shows(json!({"name": "a", "namespace": "b"}), "b/a");
    shows(json!({"name": "a"}), "*/a");
    let text =
        "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}";
    shows(json!({"selector": {"matchLabels": {"a": "b"}}}), text);
}

#[test]
fn access_and_certificates() {
    let subjects = json!([{"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "namespace": "s", "name": "a"}, {"kind": "User", "name": "v"}]);
    let binding = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects});
    let expected = json!(["n", "Role/r", "90s", "u, v", "g", "s/a"]);
    prints("rbac.authorization.k8s.io", "rolebindings", binding, expected);
    let csr = json!({"spec": {"signerName": "s/x", "username": "u", "expirationSeconds": 3600},
        "status": {"conditions": [{"type": "Approved"}, {"type": "Failed"}], "certificate": "eA=="}});
    let expected = json!(["n", "90s", "s/x", "u", "60m", "Approved,Failed,Issued"]);
    prints("certificates.k8s.io", "certificatesigningrequests", csr, expected);
}

#[test]
fn storage_kinds() {
    let class = json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"});
    let expected = json!(["n (default)", "p", "Delete", "Immediate", false, "90s"]);
    prints("storage.k8s.io", "storageclasses", class, expected);
    let claim = json!({"spec": {"volumeName": "v", "storageClassName": "c", "volumeMode": "Block"},
        "status": {"phase": "Bound", "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "capacity": {"storage": "1Gi"}}});
    let expected = json!(["n", "Bound", "v", "1Gi", "RWO,RWX", "c", "<unset>", "90s", "Block"]);
    prints("", "persistentvolumeclaims", claim, expected);
    let volume = json!({"spec": {"claimRef": {"namespace": "a", "name": "b"}}, "status": {"phase": "Bound"}});
    let expected = json!(["n", "0", "", "", "Bound", "a/b", "", "<unset>", "", "90s", "<unset>"]);
    prints("", "persistentvolumes", volume, expected);
    prints("storage.k8s.io", "csistoragecapacities", json!({}), json!(["n", "2026-11-22T11:58:30Z"]));
}

#[test]
fn quotas_are_split_into_requests_and_limits() {
    let hard = json!({"limits.cpu": "2", "pods": "9", "requests.cpu": "1"});
    let quota = json!({"status": {"hard": hard, "used": {"pods": "3"}}});
    prints(
        "",
        "resourcequotas",
        quota,
        json!(["n", "pods: 3/9, requests.cpu: 0/1", "limits.cpu: 0/2", "90s"]),
    );
}

#[test]
fn the_small_groups() {
    prints("node.k8s.io", "runtimeclasses", json!({"handler": "h"}), json!(["n", "h", "90s"]));
    let conditions = json!([{"type": "Available", "status": "False", "reason": "Down"}]);
    let service =
        json!({"spec": {"service": {"namespace": "a", "name": "b"}}, "status": {"conditions": conditions}});
    prints("apiregistration.k8s.io", "apiservices", service, json!(["n", "a/b", "False (Down)", "90s"]));
    prints("apiregistration.k8s.io", "apiservices", json!({}), json!(["n", "Local", "Unknown", "90s"]));
    let flow = json!({"spec": {"priorityLevelConfiguration": {"name": "p"}, "matchingPrecedence": 7,
        "distinguisherMethod": {"type": "ByUser"}}, "status": {"conditions": [{"type": "Dangling", "status": "False"}]}});
    prints(
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        flow,
        json!(["n", "p", 7, "ByUser", "90s", "False"]),
    );
    let level = json!({"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {
        "queuing": {"queues": 1, "handSize": 2, "queueLengthLimit": 3}}}}});
    let resource = "prioritylevelconfigurations";
    prints("flowcontrol.apiserver.k8s.io", resource, level, json!(["n", "Limited", 5, 1, 2, 3, "90s"]));
    let exempt = json!({"spec": {"type": "Exempt"}});
    let none = "<none>";
    prints(
        "flowcontrol.apiserver.k8s.io",
        resource,
        exempt,
        json!(["n", "Exempt", none, none, none, none, "90s"]),
    );
    let claim = json!({"status": {"allocation": {}, "reservedFor": [{}]}});
    prints("resource.k8s.io", "resourceclaims", claim, json!(["n", "allocated,reserved", "90s"]));
    let address = json!({"spec": {"parentRef": {"resource": "services", "namespace": "a", "name": "b"}}});
    prints("networking.k8s.io", "ipaddresses", address, json!(["n", "services/a/b", "90s"]));
    prints(
        "networking.k8s.io",
        "servicecidrs",
        json!({"spec": {"cidrs": ["a", "b"]}}),
        json!(["n", "a,b", "90s"]),
    );
    let class =
        json!({"spec": {"controller": "c", "parameters": {"apiGroup": "g", "kind": "K", "name": "p"}}});
    prints("networking.k8s.io", "ingressclasses", class, json!(["n", "c", "K.g/p", "90s"]));
    prints("autoscaling", "scales", json!({"spec": {"replicas": 3}}), json!(["n", 3, 0, "90s"]));
}

#[test]
fn owners_of_revisions() {
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "controller": true}]);
    let revision = json!({"metadata": {"ownerReferences": owner}, "revision": 4});
    prints("apps", "controllerrevisions", revision, json!(["n", "statefulset.apps/s", 4, "90s"]));
}

#[test]
fn flow_schemas_are_listed_by_precedence() {
    let schema =
        |name: &str, order: i64| json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": order}});
    let (a, b, c) = (schema("a", 9), schema("b", 1), schema("c", 1));
    let mut rows = [&a, &b, &c];
    rows.sort_by_key(|row| rank("flowcontrol.apiserver.k8s.io", "flowschemas", row));
    assert_eq!(rows, [&b, &c, &a]);
}

/// Trees made of the words printers look for, with values of every type under them.
fn trees() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "metadata",
        "name",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
        "spec",
        "status",
        "type",
        "reason",
        "conditions",
        "containers",
        "initContainers",
        "containerStatuses",
        "state",
        "terminated",
        "restartCount",
        "selector",
        "template",
        "metrics",
        "subsets",
        "ports",
        "series",
        "subjects",
        "replicas",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("9999-12-31T23:59:59Z")),
        Just(Value::from("-009999-01-02T01:59:59Z")),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(WORDS).prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_tree_stops_a_printer(tree in trees()) {
        for line in include_str!("columns.tsv").lines().skip(1) {
            let mut fields = line.split('\t');
            let (group, resource) = (fields.next().unwrap(), fields.next().unwrap());
            if fields.next() == Some("Name") {
                let made = cells(group, resource, &tree, now());
                let _ = conditions(group, resource, &tree);
                prop_assert!(!made.is_empty());
            }
        }
    }
}
