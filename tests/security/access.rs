//! Rights: escalation, bindings, subresources, reviews.

use serde_json::{Value, json};

use crate::wire::Client;
use crate::world::{config_map, pod, rbac, world};

fn role(kind: &str, name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "rules": rules})
}

/// Somebody who may write every kind of role and binding, and holds `get pods`.
fn role_writer(name: &str) -> Client {
    world().user_with(
        name,
        json!([
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"],
             "verbs": ["get", "list", "create", "update", "patch", "delete"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        ]),
    )
}

#[test]
fn e007_nobody_writes_rules_they_do_not_hold_by_any_verb() {
    let world = world();
    let user = role_writer("e007");
    let held = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    for (kind, path) in [("ClusterRole", rbac("clusterroles")), ("Role", rbac("namespaces/a/roles"))] {
        user.post(&path, &role(kind, "e007", &held)).is(&[201], "held");
        let one = format!("{path}/e007");
        for rules in [
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]),
            json!([{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]),
            json!([{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}]),
        ] {
            user.post(&path, &role(kind, "e007-new", &rules)).is(&[403], "create");
            user.put(&one, &role(kind, "e007", &rules)).is(&[403], "update");
            user.patch("merge", &one, &json!({"rules": rules})).is(&[403], "merge");
            user.patch("strategic", &one, &json!({"rules": rules})).is(&[403], "strategic");
            user.patch("json", &one, &json!([{"op": "replace", "path": "/rules", "value": rules}]))
                .is(&[403], "json");
            let apply = |name: &str| {
                user.patch(
                    "apply",
                    &format!("{path}/{name}?fieldManager=m&force=true"),
                    &role(kind, name, &rules),
                )
            };
            apply("e007").is(&[403], "apply");
            apply("e007-applied").is(&[403], "apply that creates");
        }
    }
    let paths = json!([{"nonResourceURLs": ["/*"], "verbs": ["get"]}]);
    user.post(&rbac("clusterroles"), &role("ClusterRole", "e007-urls", &paths)).is(&[403], "paths");
    let after = world.admin.get(&rbac("clusterroles/e007")).is(&[200], "as it was").tree();
    assert_eq!(after["rules"], held);
}

#[test]
fn e008_nobody_binds_what_they_do_not_hold_by_any_verb() {
    let world = world();
    let user = role_writer("e008");
    for (kind, path) in [
        ("ClusterRoleBinding", rbac("clusterrolebindings")),
        ("RoleBinding", rbac("namespaces/a/rolebindings")),
    ] {
        let binding = |name: &str, role: &str| {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}]})
        };
        for role in ["cluster-admin", "admin", "does-not-exist"] {
            user.post(&path, &binding("e008", role)).is(&[403, 404], role);
            let one = format!("{path}/e008?fieldManager=m");
            user.patch("apply", &one, &binding("e008", role)).is(&[403, 404], role);
        }
        world.admin.post(&path, &binding("e008-of-others", "cluster-admin")).is(&[201], "by the admin");
        let one = format!("{path}/e008-of-others");
        let more = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "friend"}]);
        user.patch("merge", &one, &json!({"subjects": more})).is(&[403], "subjects");
        user.patch("json", &one, &json!([{"op": "replace", "path": "/subjects", "value": more}]))
            .is(&[403], "json");
        world.admin.delete(&one).is(&[200], "tidy");
    }
    user.get("/api/v1/secrets").is(&[403], "nothing was gained");
}

#[test]
fn e009_aggregation_is_no_way_around() {
    let user = role_writer("e009");
    let rules = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["*"]}]);
    let mut labelled = role("ClusterRole", "e009", &rules);
    labelled["metadata"]["labels"] = json!({"rbac.authorization.k8s.io/aggregate-to-admin": "true"});
    user.post(&rbac("clusterroles"), &labelled).is(&[403], "label");
    let mut aggregated = role("ClusterRole", "e009", &json!(null));
    aggregated["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]});
    user.post(&rbac("clusterroles"), &aggregated).is(&[403], "rule");
    let apply = format!("{}?fieldManager=m", rbac("clusterroles/e009"));
    user.patch("apply", &apply, &aggregated).is(&[403], "apply");
}

#[test]
fn e044_only_what_changes_no_rule_is_free() {
    let world = world();
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    world.admin.post(&rbac("clusterroles"), &role("ClusterRole", "e044", &rules)).is(&[201], "role");
    let user = role_writer("e044");
    let one = rbac("clusterroles/e044");
    user.patch("merge", &one, &json!({"metadata": {"finalizers": ["x.io/y"]}})).is(&[200, 403], "finalizers");
    let more = json!([{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]);
    user.patch("merge", &one, &json!({"metadata": {"finalizers": []}, "rules": more}))
        .is(&[403], "with rules");
    world.admin.patch("merge", &one, &json!({"metadata": {"finalizers": null}})).is(&[200], "tidy");
}

#[test]
fn e046_e048_a_broken_binding_grants_nothing_and_breaks_nothing() {
    let world = world();
    world.user_with("e048", json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]));
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "e048-broken"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gone"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "e048"}]});
    world.admin.post(&rbac("clusterrolebindings"), &binding).is(&[201], "broken");
    let user = world.server.user("e048", &[]);
    user.get("/api/v1/configmaps").is(&[200], "the others work");
    user.get("/api/v1/secrets").is(&[403], "denied, not broken");
    let one = rbac("clusterrolebindings/e048-broken");
    let change = json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}});
    world.admin.patch("merge", &one, &change).is(&[422], "roleRef stays");
}

#[test]
fn e028_watching_needs_watch() {
    let world = world();
    let watcher =
        world.user_with("e028", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["watch"]}]));
    let path = "/api/v1/namespaces/a/secrets";
    watcher.get(path).is(&[403], "list");
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    let answer = watcher.get(&format!("{path}?{query}")).is(&[200], "watch");
    let event = world.server.event_of(answer.header("audit-id").unwrap());
    assert_eq!(event["verb"], "watch");
    let lister = world.user_with(
        "e028-list",
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "get"]}]),
    );
    for query in ["watch=1", "watch=true", "watch=yes", "watch"] {
        let answer = lister.get(&format!("{path}?{query}&timeoutSeconds=1"));
        assert!(answer.code == 403 || answer.tree()["kind"] == "SecretList", "{query}: {}", answer.head);
    }
    lister.get(&format!("{path}?watch=1&timeoutSeconds=1")).is(&[403], "watch");
}

#[test]
fn e029_e030_e031_named_rules_are_about_that_name() {
    let world = world();
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"],
        "verbs": ["get", "list", "watch", "create", "deletecollection"]}]);
    let user = world.user_with("e030", rules);
    let path = "/api/v1/namespaces/a/configmaps";
    user.post(path, &config_map("x")).is(&[403], "create");
    user.delete(path).is(&[403], "deletecollection");
    user.get(path).is(&[403], "list");
    user.get(&format!("{path}?fieldSelector=metadata.name%3Dx")).is(&[200], "list of it");
    for selector in [
        "metadata.name=x,metadata.name!=y",
        "metadata.name!=x",
        "metadata.name=y",
        "metadata.name=..",
        "metadata.name=x,metadata.name=y",
        "metadata.namespace=a",
    ] {
        let encoded = selector.replace('=', "%3D").replace('!', "%21");
        let answer = user.get(&format!("{path}?fieldSelector={encoded}"));
        let names_only_x = answer.tree()["items"]
            .as_array()
            .is_none_or(|items| items.iter().all(|i| i["metadata"]["name"] == "x"));
        assert!(
            matches!(answer.code, 400 | 403) || (answer.code == 200 && names_only_x),
            "{selector}: {}",
            answer.head
        );
    }
    let twice = user.get(&format!("{path}?fieldSelector=metadata.name%3Dx&fieldSelector=metadata.name%3Dy"));
    assert!(twice.code != 200 || !twice.text().contains("\"name\":\"y\""), "the first counts for both");
    let other = user.get(&format!("{path}?fieldSelector=metadata.name%3Dy&fieldSelector=metadata.name%3Dx"));
    assert_eq!(other.code, 403, "the first counts for both");
}

#[test]
fn an_eviction_is_of_the_pod_that_was_meant() {
    let world = world();
    let pods = "/api/v1/namespaces/a/pods";
    let made = world.admin.post(pods, &pod("meant")).is(&[201], "pod").tree();
    let evict = |metadata: Value, preconditions: Value| {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata,
            "deleteOptions": {"preconditions": preconditions, "gracePeriodSeconds": 0}});
        world.admin.post(&format!("{pods}/meant/eviction"), &eviction)
    };
    let elsewhere = evict(json!({"name": "meant", "namespace": "b"}), json!({})).is(&[400], "namespace");
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(elsewhere.tree()["message"], why);
    let another = evict(json!({"name": "meant"}), json!({"uid": "another"})).is(&[409], "uid").tree();
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let why = format!(
        "Operation cannot be fulfilled on Pod \"meant\": the UID in the precondition (another) does not match the UID \
         in record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!(another["message"], why);
    world.admin.get(&format!("{pods}/meant")).is(&[200], "it is still there");
    evict(json!({"name": "meant"}), json!({"uid": uid})).is(&[201], "the pod that was meant");
    world.admin.get(&format!("{pods}/meant")).is(&[404], "it is gone");
}

#[test]
fn e035_e077_a_subresource_is_a_right_of_its_own() {
    let world = world();
    let rules = json!([{"apiGroups": ["", "certificates.k8s.io"], "verbs": ["*"],
        "resources": ["pods", "namespaces", "serviceaccounts", "nodes", "services", "certificatesigningrequests"]}]);
    let user = world.user_with("e035", rules);
    for (method, path) in [
        ("GET", "/api/v1/namespaces/a/pods/x/log"),
        ("GET", "/api/v1/namespaces/a/pods/x/exec"),
        ("POST", "/api/v1/namespaces/a/pods/x/exec"),
        ("GET", "/api/v1/namespaces/a/pods/x/attach"),
        ("POST", "/api/v1/namespaces/a/pods/x/portforward"),
        ("GET", "/api/v1/namespaces/a/pods/x/proxy/"),
        ("PATCH", "/api/v1/namespaces/a/pods/x/ephemeralcontainers"),
        ("PATCH", "/api/v1/namespaces/a/pods/x/resize"),
        ("PATCH", "/api/v1/namespaces/a/pods/x/status"),
        ("POST", "/api/v1/namespaces/a/pods/x/eviction"),
        ("POST", "/api/v1/namespaces/a/pods/x/binding"),
        ("POST", "/api/v1/namespaces/a/bindings"),
        ("PUT", "/api/v1/namespaces/a/finalize"),
        ("POST", "/api/v1/namespaces/a/serviceaccounts/default/token"),
        ("GET", "/api/v1/nodes/n/proxy/"),
        ("GET", "/api/v1/namespaces/a/services/s/proxy/"),
        ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval"),
        ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/status"),
    ] {
        user.json(method, path, &json!({})).is(&[403], format!("{method} {path}"));
    }
    let logs =
        world.user_with("e035-log", json!([{"apiGroups": [""], "resources": ["pods/log"], "verbs": ["*"]}]));
    logs.get("/api/v1/namespaces/a/pods/x").is(&[403], "the pod itself");
}

#[test]
fn e006_reading_is_not_running() {
    let world = world();
    let rules = json!([{"apiGroups": [""], "resources": ["pods/exec", "pods/attach", "pods/portforward"], "verbs": ["get"]}]);
    let user = world.user_with("e006", rules);
    for sub in ["exec?command=id", "attach", "portforward"] {
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", "v4.channel.k8s.io"),
        ];
        let answer = user.send("GET", &format!("/api/v1/namespaces/a/pods/x/{sub}"), &headers, b"");
        assert_ne!(answer.code, 101, "{sub}: {}", answer.head);
        assert!(answer.code >= 400, "{sub}: {}", answer.head);
    }
}

#[test]
fn e036_only_some_stars_are_wild() {
    let world = world();
    let user = world.user_with(
        "e036",
        json!([{"apiGroups": ["", "apps"], "resources": ["pods/*", "*/scale"], "verbs": ["*"]}]),
    );
    user.get("/api/v1/namespaces/a/pods/x").is(&[403], "pods");
    user.get("/api/v1/namespaces/a/pods/x/status").is(&[403], "pods/status");
    user.get("/apis/apps/v1/namespaces/a/deployments/d/scale").is(&[404], "scale");
    user.get("/apis/apps/v1/namespaces/a/deployments/d").is(&[403], "deployments");
}

#[test]
fn e040_e041_a_rolebinding_ends_at_its_namespace() {
    let world = world();
    crate::world::bind(&world.admin, "a", "e040", "cluster-admin");
    let user = world.server.user("e040", &[]);
    for path in [
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/api/v1/persistentvolumes",
        "/api/v1/secrets",
        "/api/v1/secrets?namespace=a",
        "/api/v1/secrets?fieldSelector=metadata.namespace%3Da",
        "/api/v1/namespaces/b",
        "/api/v1/namespaces/b/secrets",
        "/metrics",
    ] {
        user.get(path).is(&[403], path);
    }
    user.get("/api/v1/namespaces/a/secrets").is(&[200], "its own");
    user.get("/api/v1/namespaces/a").is(&[200], "the namespace itself");
    // A right in a namespace never leads to what belongs to the cluster.
    for path in [
        rbac("namespaces/a/clusterroles"),
        rbac("namespaces/a/clusterroles/admin"),
        "/api/v1/namespaces/a/nodes".into(),
        "/api/v1/namespaces/a/persistentvolumes".into(),
        "/api/v1/namespaces/a/namespaces".into(),
        "/api/v1/namespaces/a/namespaces/b".into(),
    ] {
        user.get(&path).is(&[404], &path);
        user.delete(&path).is(&[404, 405], &path);
    }
}

#[test]
fn e073_update_is_not_create() {
    let world = world();
    let rules = json!([{"apiGroups": ["coordination.k8s.io", ""], "resources": ["leases", "configmaps"], "verbs": ["get", "update", "patch"]}]);
    let user = world.user_with("e073", rules);
    let lease =
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "e073"}});
    let path = "/apis/coordination.k8s.io/v1/namespaces/a/leases/e073";
    user.put(path, &lease).is(&[403], "PUT");
    user.patch("apply", &format!("{path}?fieldManager=m"), &lease).is(&[403], "apply");
    let path = "/api/v1/namespaces/a/configmaps/e073";
    user.patch("apply", &format!("{path}?fieldManager=m"), &config_map("e073")).is(&[403], "apply");
    world.admin.get(path).is(&[404], "nothing was made");
}

#[test]
fn e078_names_are_bytes() {
    let world = world();
    world.user_with("alice", json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]));
    for name in ["Alice", "alice ", " alice", "al\u{456}ce", "alice\u{200d}"] {
        let answer = world.server.user(name, &[]).get("/api/v1/configmaps");
        assert!(matches!(answer.code, 0 | 401 | 403), "{name:?}: {}", answer.head);
    }
}

#[test]
fn e083_reviews_are_no_oracle() {
    let world = world();
    let sar = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "admin", "resourceAttributes": {"verb": "get", "resource": "secrets"}}});
    world.low.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &sar).is(&[403], "SAR");
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}});
    world.low.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).is(&[403], "TokenReview");
    let local = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "metadata": {"namespace": "a"},
        "spec": {"user": "low", "resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": "b"}}});
    let path = "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews";
    world.low.post(path, &local).is(&[403], "low");
    world.nsadm.post(path, &local).is(&[400, 422], "another namespace");
    let both = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "x",
        "resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/", "verb": "get"}}});
    world.admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &both).is(&[422], "both");
    let nobody = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get"}}});
    world.admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &nobody).is(&[422], "nobody");
}

#[test]
fn a031_a052_e081_g013_an_admin_of_a_namespace_stays_in_it() {
    let world = world();
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"}});
    world.nsadm.post("/api/v1/namespaces/a/endpoints", &endpoints).is(&[403], "endpoints");
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "e"},
        "addressType": "IPv4", "endpoints": []});
    world.nsadm.post("/apis/discovery.k8s.io/v1/namespaces/a/endpointslices", &slice).is(&[403], "slices");
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    world.nsadm.patch("merge", "/api/v1/namespaces/a", &label).is(&[403], "labels of the namespace");
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}});
    world.nsadm.post("/api/v1/namespaces/a/resourcequotas", &quota).is(&[403], "quota");
    world
        .nsadm
        .patch("merge", "/api/v1/namespaces/a/services/s/status", &json!({}))
        .is(&[403], "services/status");
    world.nsadm.get("/api/v1/nodes/n/proxy/").is(&[403], "node proxy");
    world
        .nsadm
        .post("/api/v1/namespaces/a/secrets", &crate::world::secret("mine", "eA=="))
        .is(&[201], "secrets");
}

#[test]
fn c002_e053_a_node_is_a_name_and_a_group() {
    let world = world();
    for (name, groups) in [
        ("system:node:", &["system:nodes"][..]),
        ("system:node:n1", &[]),
        ("low", &["system:nodes"]),
        ("system:node:n1:x", &["system:nodes"]),
        ("system:NODE:n1", &["system:nodes"]),
        ("system:node:n1", &["system:nodes"]),
    ] {
        let client = world.server.user(name, groups);
        for path in ["/api/v1/namespaces/a/secrets/s", "/api/v1/namespaces/a/secrets", "/api/v1/secrets"] {
            let answer = client.get(path);
            assert!(matches!(answer.code, 0 | 401 | 403), "{name} {groups:?} {path}: {}", answer.head);
        }
    }
    world.node1.get("/api/v1/namespaces/a/secrets/s").is(&[403], "no pod of this node needs it");
}

#[test]
fn f066_g041_low_takes_no_lock_and_changes_no_platform_object() {
    let world = world();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "kube-scheduler"}});
    for client in [&world.low, &world.sa, &world.nsadm] {
        client.post("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", &lease).is(&[403], "lease");
        for path in [
            "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
            "/api/v1/namespaces/kube-public/configmaps/cluster-info",
            "/api/v1/namespaces/b/configmaps/kube-root-ca.crt",
        ] {
            client.patch("merge", path, &json!({"data": {"x": "y"}})).is(&[403], path);
            client.delete(path).is(&[403], path);
        }
    }
}

#[test]
fn g019_bindings_have_one_review() {
    let world = world();
    let rules = json!([{"apiGroups": [""], "resources": ["bindings"], "verbs": ["create"]}]);
    let user = world.user_with("g019", rules);
    world.admin.post("/api/v1/namespaces/a/pods", &pod("g019")).is(&[201], "pod");
    let binding = |uid: &str| {
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "g019", "uid": uid},
        "target": {"kind": "Node", "name": "n1"}})
    };
    let wrong = binding("00000000-0000-0000-0000-000000000000");
    world.admin.post("/api/v1/namespaces/a/pods/g019/binding", &wrong).is(&[409], "uid");
    user.post("/api/v1/namespaces/a/pods/g019/binding", &binding("")).is(&[403], "no right to pods/binding");
    world.admin.post("/api/v1/namespaces/a/pods/g019/binding", &binding("")).is(&[201], "bound");
    world.admin.post("/api/v1/namespaces/a/pods/g019/binding", &binding("")).is(&[409], "bound already");
    world
        .admin
        .patch("merge", "/api/v1/namespaces/a/pods/g019", &json!({"spec": {"nodeName": "n2"}}))
        .is(&[422], "moved");
}

#[test]
fn the_status_of_a_claim_takes_more_than_the_right_to_update_it() {
    let (world, group) = (world(), "resource.k8s.io");
    let claims = "/apis/resource.k8s.io/v1/namespaces/a/resourceclaims";
    let claim = |name: &str, admin: bool| {
        let request = json!({"name": "r", "exactly": {"deviceClassName": "c", "adminAccess": admin}});
        json!({"metadata": {"name": name}, "spec": {"devices": {"requests": [request]}}})
    };
    let refused = world.admin.post(claims, &claim("admin-access", true)).is(&[422], "no label").tree();
    assert_eq!(
        refused["message"],
        "ResourceClaim.resource.k8s.io \"admin-access\" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin \
         access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace"
    );
    world.admin.post(claims, &claim("shared", false)).is(&[201], "a claim");
    let rule = |resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let status = format!("{claims}/shared/status");
    let device = json!({"driver": "d.io", "pool": "p", "device": "x"});
    let result = json!({"request": "r", "driver": "d.io", "pool": "p", "device": "x"});
    let allocation = json!({"status": {"allocation": {"devices": {"results": [result]}}}});
    let plain = world.user_with("claim-plain", json!([rule(&["resourceclaims/status"], &["patch"])]));
    let words = plain.patch("merge", &status, &allocation).is(&[422], "no right to bind").tree();
    let message = words["message"].as_str().unwrap();
    assert!(
        message.contains("requires resource=\"resourceclaims/binding\", verb=\"patch\" permission"),
        "{message}"
    );
    let scheduler = world.user_with(
        "claim-scheduler",
        json!([rule(&["resourceclaims/status", "resourceclaims/binding"], &["patch"])]),
    );
    scheduler.patch("merge", &status, &allocation).is(&[200], "may bind");
    let report = json!({"status": {"devices": [device]}});
    scheduler.patch("merge", &status, &report).is(&[422], "no driver");
    let driver = world.user_with(
        "claim-driver",
        json!([
            rule(&["resourceclaims/status"], &["patch"]),
            rule(&["resourceclaims/driver"], &["arbitrary-node:patch"])
        ]),
    );
    driver.patch("merge", &status, &report).is(&[200], "a driver");
}
