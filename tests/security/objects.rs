//! What clients may not say about an object.

use serde_json::json;

use crate::world::{config_map, pod, secret, world};

const MAPS: &str = "/api/v1/namespaces/a/configmaps";

#[test]
fn g001_what_the_server_owns_it_says_itself() {
    let world = world();
    let mut object = config_map("g001");
    object["metadata"]["uid"] = json!("mine");
    object["metadata"]["creationTimestamp"] = json!("2000-01-01T00:00:00Z");
    object["metadata"]["deletionTimestamp"] = json!("2000-01-01T00:00:00Z");
    object["metadata"]["selfLink"] = json!("/evil");
    let made = world.admin.post(MAPS, &object).is(&[201], "made").tree();
    let meta = &made["metadata"];
    assert_ne!(meta["uid"], "mine");
    assert_ne!(meta["creationTimestamp"], "2000-01-01T00:00:00Z");
    assert!(meta.get("deletionTimestamp").is_none() && meta.get("selfLink").is_none());
    object["metadata"]["resourceVersion"] = json!("1");
    object["metadata"]["name"] = json!("g001-rv");
    let answer = world.admin.post(MAPS, &object);
    assert!(answer.code >= 400 || answer.tree()["metadata"]["resourceVersion"] != "1", "{}", answer.text());
    let mut running = pod("g001");
    running["status"] = json!({"phase": "Running", "podIP": "169.254.169.254"});
    let made = world.admin.post("/api/v1/namespaces/a/pods", &running).is(&[201], "pod").tree();
    assert_eq!(made["status"]["phase"], "Pending");
    assert!(made["status"].get("podIP").is_none());
    let mut elsewhere = config_map("g001-ns");
    elsewhere["metadata"]["namespace"] = json!("b");
    world.admin.post(MAPS, &elsewhere).is(&[400], "another namespace");
}

#[test]
fn f026_a_patch_changes_no_identity() {
    let world = world();
    let before = world.admin.post(MAPS, &config_map("f026")).is(&[201], "made").tree();
    let one = format!("{MAPS}/f026");
    for (field, value) in [
        ("uid", json!("x")),
        ("name", json!("other")),
        ("namespace", json!("b")),
        ("creationTimestamp", json!("2000-01-01T00:00:00Z")),
        ("deletionTimestamp", json!("2000-01-01T00:00:00Z")),
        ("generation", json!(7)),
        ("selfLink", json!("/x")),
        ("resourceVersion", json!("1")),
    ] {
        let answer = world.admin.patch("merge", &one, &json!({"metadata": {field: value}}));
        assert!(matches!(answer.code, 200 | 400 | 409 | 422), "{field}: {}", answer.head);
        let after = world.admin.get(&one).is(&[200], field).tree();
        for field in
            ["uid", "name", "namespace", "creationTimestamp", "deletionTimestamp", "generation", "selfLink"]
        {
            assert_eq!(after["metadata"].get(field), before["metadata"].get(field), "{field}");
        }
    }
}

#[test]
fn e037_status_and_spec_have_their_own_doors() {
    let world = world();
    world.admin.post("/api/v1/namespaces/a/pods", &pod("e037")).is(&[201], "pod");
    let one = "/api/v1/namespaces/a/pods/e037";
    world
        .admin
        .patch("merge", one, &json!({"status": {"phase": "Running", "podIP": "127.0.0.1"}}))
        .is(&[200], "ignored");
    let after = world.admin.get(one).tree();
    assert_eq!(after["status"]["phase"], "Pending");
    let rules = json!([{"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch", "update"]}]);
    let user = world.user_with("e037", rules);
    let all = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]},
        "spec": {"containers": [{"name": "c", "image": "evil"}], "nodeName": "n1"}});
    user.patch("strategic", &format!("{one}/status"), &all);
    let after = world.admin.get(one).tree();
    assert_eq!(after["spec"]["containers"][0]["image"], "i");
    assert!(after["spec"].get("nodeName").is_none() && after["metadata"].get("ownerReferences").is_none());
}

#[test]
fn e038_a_scale_is_a_number() {
    let world = world();
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e038"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    world.admin.post("/apis/apps/v1/namespaces/a/deployments", &deployment).is(&[201], "deployment");
    let user = world.user_with("e038", json!([{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "update", "patch"]}]));
    let one = "/apis/apps/v1/namespaces/a/deployments/e038";
    let patch = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"replicas": 3, "template": {"spec": {"hostNetwork": true}}}});
    user.patch("merge", &format!("{one}/scale"), &patch).is(&[200], "scale");
    let after = world.admin.get(one).tree();
    assert_eq!(after["spec"]["replicas"], 3);
    assert!(
        after["spec"]["template"]["spec"].get("hostNetwork").is_none()
            && after["metadata"].get("labels").is_none()
    );
    user.patch("merge", &format!("{one}/scale"), &json!({"spec": {"replicas": -1}})).is(&[422], "negative");
    user.patch("merge", one, &json!({"spec": {"replicas": 1}})).is(&[403], "the deployment");
}

#[test]
fn f021_names_labels_and_annotations_have_ends() {
    let world = world();
    let with = |field: &str, value: serde_json::Value| {
        let mut object = config_map("f021");
        object["metadata"][field] = value.clone();
        world.admin.post(&format!("{MAPS}?dryRun=All"), &object)
    };
    with("labels", json!({"k".repeat(64): "v"})).is(&[422], "label key");
    with("labels", json!({"k": "v".repeat(64)})).is(&[422], "label value");
    with("annotations", json!({"k": "v".repeat((256 << 10) + 1)})).is(&[422], "annotations");
    with("name", json!("n".repeat(254))).is(&[422], "name");
    with("ownerReferences", json!([{"apiVersion": "v1", "kind": "x", "name": "", "uid": ""}]))
        .is(&[422], "owner");
    with("finalizers", json!(vec!["bad name"; 1000])).is(&[422], "finalizers");
    let big = "x".repeat((1 << 20) + 1);
    let mut object = config_map("f021");
    object["data"] = json!({"k": big});
    world.admin.post(MAPS, &object).is(&[413, 422], "data");
    let mut generated =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "g".repeat(300)}});
    let made = world.admin.post(&format!("{MAPS}?dryRun=All"), &generated).is(&[201, 422], "generateName");
    assert!(made.tree()["metadata"]["name"].as_str().is_none_or(|name| name.len() <= 253));
    generated["metadata"]["generateName"] = json!("\u{e9}".repeat(40));
    world.admin.post(&format!("{MAPS}?dryRun=All"), &generated).is(&[422], "letters of two bytes");
}

#[test]
fn g047_a063_refusals_do_not_repeat_secrets() {
    let world = world();
    let path = "/api/v1/namespaces/a/secrets";
    let canary = "Y2FuYXJ5LWluLWEtc2VjcmV0";
    let typed = |kind: &str, key: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "g047"}, "type": kind, "data": {key: canary}});
    for (kind, key) in [
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
        ("kubernetes.io/dockercfg", ".dockercfg"),
        ("kubernetes.io/tls", "x"),
        ("kubernetes.io/basic-auth", "x"),
        ("kubernetes.io/ssh-auth", "x"),
        ("kubernetes.io/service-account-token", "x"),
    ] {
        let answer = world.admin.post(path, &typed(kind, key)).is(&[422], kind);
        assert!(!answer.text().contains("canary") && !answer.text().contains(canary), "{}", answer.text());
    }
    let mut fixed = secret("g047-fixed", canary);
    fixed["immutable"] = json!(true);
    world.admin.post(path, &fixed).is(&[201], "immutable");
    let answer = world
        .admin
        .patch("merge", &format!("{path}/g047-fixed"), &json!({"data": {"k": "bmV3LWNhbmFyeQ=="}}))
        .is(&[422], "change");
    assert!(
        !answer.text().contains(canary) && !answer.text().contains("bmV3LWNhbmFyeQ"),
        "{}",
        answer.text()
    );
    let body = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"g047"}},"data":{{"k":"{canary}!"}}}}"#
    );
    let headers = [("Content-Type", "application/json")];
    let answer = world.admin.send("POST", path, &headers, body.as_bytes()).is(&[400], "no base64");
    assert!(!answer.text().contains(canary), "{}", answer.text());
}

#[test]
fn f060_another_shape_is_the_same_right() {
    let world = world();
    let path = "/api/v1/namespaces/a/secrets";
    for shape in ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"] {
        let accept = format!("application/json;as={shape};v=v1;g=meta.k8s.io");
        world.low.send("GET", path, &[("Accept", &accept)], b"").is(&[403], shape);
        let seen = world.admin.send("GET", path, &[("Accept", &accept)], b"").is(&[200, 406], shape);
        assert!(!seen.text().contains("dG9wLXNlY3JldC1jYW5hcnk"), "{shape}");
    }
}

#[test]
fn f065_events_are_about_their_namespace() {
    let world = world();
    let event = |about: &str| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("f065-{about}")},
        "involvedObject": {"namespace": about, "name": "x", "kind": "Pod"}, "reason": "r", "type": "Normal"})
    };
    world.admin.post("/api/v1/namespaces/a/events", &event("b")).is(&[422], "another namespace");
    world.admin.post("/api/v1/namespaces/a/events", &event("a")).is(&[201], "its own");
}

#[test]
fn f052_conflicts_end() {
    let world = world();
    world.admin.post(MAPS, &config_map("f052")).is(&[201], "made");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let client = world.admin.clone();
            scope.spawn(move || {
                for m in 0..10 {
                    let patch = json!({"data": {format!("k{n}"): format!("{m}")}});
                    let answer = client.patch("merge", &format!("{MAPS}/f052"), &patch);
                    assert!(matches!(answer.code, 200 | 409), "{}", answer.head);
                }
            });
        }
    });
    let after = world.admin.get(&format!("{MAPS}/f052")).is(&[200], "after").tree();
    assert!(after["data"].as_object().is_some_and(|data| data.len() <= 8));
}
