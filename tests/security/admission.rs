//! Rules that every way of writing must meet.

use serde_json::json;

use crate::world::{config_map, make_namespace, pod, secret, world};

#[test]
fn a003_g002_no_way_of_writing_leads_around_a_rule() {
    let world = world();
    // Into a namespace that does not exist.
    let path = "/api/v1/namespaces/nowhere/configmaps";
    world.admin.post(path, &config_map("x")).is(&[404], "POST");
    world.admin.patch("apply", &format!("{path}/x?fieldManager=m"), &config_map("x")).is(&[404], "apply");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/nowhere/leases";
    world.admin.put(&format!("{leases}/x"), &lease).is(&[404], "PUT");
    world.admin.patch("apply", &format!("{leases}/x?fieldManager=m"), &lease).is(&[404], "apply");
    // A pod with an account that does not exist.
    let mut stranger = pod("a003");
    stranger["spec"]["serviceAccountName"] = json!("none");
    let pods = "/api/v1/namespaces/a/pods";
    world.admin.post(pods, &stranger).is(&[403], "POST");
    world.admin.post(&format!("{pods}?dryRun=All"), &stranger).is(&[403], "dry run");
    world.admin.patch("apply", &format!("{pods}/a003?fieldManager=m"), &stranger).is(&[403], "apply");
    // A change of what may not change.
    world.admin.post(pods, &pod("a003")).is(&[201], "pod");
    let one = format!("{pods}/a003");
    let name = json!("default2");
    let mut changed = world.admin.get(&one).tree();
    changed["spec"]["serviceAccountName"] = name.clone();
    world.admin.put(&one, &changed).is(&[403, 422], "PUT");
    let spec = json!({"spec": {"serviceAccountName": name}});
    world.admin.patch("merge", &one, &spec).is(&[403, 422], "merge");
    world.admin.patch("strategic", &one, &spec).is(&[403, 422], "strategic");
    let json_patch = json!([{"op": "replace", "path": "/spec/serviceAccountName", "value": name}]);
    world.admin.patch("json", &one, &json_patch).is(&[403, 422], "json");
    let mut applied = pod("a003");
    applied["spec"]["serviceAccountName"] = name;
    world
        .admin
        .patch("apply", &format!("{one}?fieldManager=m&force=true"), &applied)
        .is(&[403, 422], "apply");
}

#[test]
fn h021_nothing_begins_in_a_namespace_that_ends() {
    let world = world();
    make_namespace(&world.admin, "ending");
    let hold = json!({"metadata": {"finalizers": ["x.io/hold"]}});
    world.admin.post("/api/v1/namespaces/ending/configmaps", &config_map("held")).is(&[201], "held");
    world.admin.patch("merge", "/api/v1/namespaces/ending/configmaps/held", &hold).is(&[200], "hold");
    world.admin.delete("/api/v1/namespaces/ending").is(&[200], "delete");
    let refused = |answer: crate::wire::Answer, what: &str| answer.is(&[403, 404], what);
    refused(world.admin.post("/api/v1/namespaces/ending/secrets", &secret("s", "eA==")), "POST");
    let apply = "/api/v1/namespaces/ending/configmaps/y?fieldManager=m";
    refused(world.admin.patch("apply", apply, &config_map("y")), "apply");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}});
    refused(world.admin.put("/apis/coordination.k8s.io/v1/namespaces/ending/leases/x", &lease), "PUT");
    world.admin.patch(
        "merge",
        "/api/v1/namespaces/ending/configmaps/held",
        &json!({"metadata": {"finalizers": null}}),
    );
}

#[test]
fn e010_e056_h030_no_request_makes_a_master() {
    use base64::Engine as _;
    let world = world();
    let csr = |groups: &[&str], name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        for group in groups {
            params.distinguished_name.push(rcgen::DnType::OrganizationName, *group);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        base64::engine::general_purpose::STANDARD.encode(pem)
    };
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let object = |name: &str, request: String, signer: &str| {
        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {"request": request, "signerName": signer, "usages": ["client auth"]}})
    };
    let signer = "kubernetes.io/kube-apiserver-client";
    world.admin.post(path, &object("e010", csr(&["system:masters"], "evil"), signer)).is(&[403], "masters");
    let made = world
        .admin
        .post(path, &object("e010-ok", csr(&["users"], "good"), signer))
        .is(&[201], "users")
        .tree();
    let one = format!("{path}/e010-ok");
    for user in [json!("admin"), json!("system:admin")] {
        let patch = json!({"spec": {"username": user, "groups": ["system:masters"]}});
        let after = world.admin.patch("merge", &one, &patch);
        assert!(after.code == 422 || after.tree()["spec"] == made["spec"], "{}", after.text());
    }
    let other = json!({"spec": {"request": csr(&["system:masters"], "evil")}});
    let after = world.admin.patch("merge", &one, &other);
    assert!(after.code == 422 || after.tree()["spec"] == made["spec"], "the request stays");
    // A requester cannot speak for somebody else.
    let mut forged = object("e010-forged", csr(&["users"], "good"), signer);
    forged["spec"]["username"] = json!("system:admin");
    forged["spec"]["groups"] = json!(["system:masters"]);
    let requester = world.user_with(
        "e010",
        json!([{"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests",
        "certificatesigningrequests/approval", "certificatesigningrequests/status"], "verbs": ["*"]}]),
    );
    let made = requester.post(path, &forged).is(&[201], "forged").tree();
    assert_eq!(made["spec"]["username"], "e010");
    // Approving and signing are rights over the signer, not over the object.
    let mut approved = made.clone();
    approved["status"] =
        json!({"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "x"}]});
    requester.put(&format!("{path}/e010-forged/approval"), &approved).is(&[403], "e056: approve");
    let mut signed = made;
    signed["status"] = json!({"certificate": "eA=="});
    requester.put(&format!("{path}/e010-forged/status"), &signed).is(&[403, 422], "e056: sign");
}

#[test]
fn e087_a081_a082_requests_that_are_none() {
    use base64::Engine as _;
    let world = world();
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let deep: Vec<u8> = (0..100_000).flat_map(|_| [0x30, 0x80]).collect();
    let deep = base64::engine::general_purpose::STANDARD.encode(deep);
    let armour = |body: &str| {
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
    };
    for text in ["x".to_owned(), armour("AAAA"), armour(&deep), "-----BEGIN ".repeat(100_000), armour("")] {
        let request = base64::engine::general_purpose::STANDARD.encode(&text);
        let object = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "e087"},
            "spec": {"request": request, "signerName": "x.io/y", "usages": ["client auth"]}});
        world.admin.post(path, &object).is(&[400, 403, 413, 422], text.len());
    }
}

#[test]
fn g015_g016_owners_and_finalizers_are_well_formed() {
    let world = world();
    let path = "/api/v1/namespaces/a/configmaps";
    let owner = |controller: bool, uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": uid, "controller": controller});
    for owners in [
        json!([owner(true, "1"), owner(true, "2")]),
        json!([owner(false, "")]),
        json!([{"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "1"}]),
        json!([{"apiVersion": "", "kind": "", "name": "", "uid": "1"}]),
    ] {
        let mut object = config_map("g015");
        object["metadata"]["ownerReferences"] = owners.clone();
        world.admin.post(path, &object).is(&[422], owners);
    }
    let mut object = config_map("g016");
    object["metadata"]["finalizers"] = json!(["no-domain-/x y"]);
    world.admin.post(path, &object).is(&[422], "finalizer");
}

#[test]
fn g020_debugging_adds_a_container_and_nothing_else() {
    let world = world();
    world.admin.post("/api/v1/namespaces/a/pods", &pod("g020")).is(&[201], "pod");
    let path = "/api/v1/namespaces/a/pods/g020/ephemeralcontainers";
    let with = |more: serde_json::Value| {
        let mut container = json!({"name": "d", "image": "i"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.admin.patch("strategic", path, &json!({"spec": {"ephemeralContainers": [container]}}))
    };
    for more in [
        json!({"ports": [{"containerPort": 80}]}),
        json!({"resources": {"limits": {"cpu": "1"}}}),
        json!({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}),
        json!({"livenessProbe": {"exec": {"command": ["x"]}}}),
        json!({"targetContainerName": "none"}),
    ] {
        with(more.clone()).is(&[422], more);
    }
    let others = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "c", "image": "evil"}], "hostNetwork": true}});
    let after = world.admin.patch("strategic", path, &others);
    assert!(after.code == 422 || after.code == 200, "{}", after.text());
    let stored = world.admin.get("/api/v1/namespaces/a/pods/g020").tree();
    assert_eq!(stored["spec"]["containers"][0]["image"], "i");
    assert_ne!(stored["spec"]["hostNetwork"], true);
    with(json!({})).is(&[200], "a container");
    let gone = json!([{"op": "remove", "path": "/spec/ephemeralContainers"}]);
    world.admin.patch("json", path, &gone).is(&[422], "removing");
}

#[test]
fn a051_g022_h006_h009_pods_name_nothing_outside() {
    let world = world();
    let bad = [
        json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}}}),
        json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "/x"}}}),
        json!({"securityContext": {"sysctls": [{"name": "../x", "value": "1"}]}}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]}),
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "x", "items": [{"key": "k", "path": "../x"}]}}]}}]}),
        json!({"volumes": [{"name": "v", "configMap": {"name": "x", "items": [{"key": "k", "path": "/x"}]}}]}),
        json!({"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "none", "mountPath": "/x"}]}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "c", "image": "i",
            "volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "../x"}]}]}),
        json!({"containers": [{"name": "c", "image": "i", "env": [{"name": "A=B", "value": "x"}]}]}),
        json!({"containers": [{"name": "c", "image": "i", "securityContext": {"procMount": "Odd"}}]}),
    ];
    for spec in bad {
        let mut object = pod("g022");
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        world.admin.post("/api/v1/namespaces/a/pods", &object).is(&[400, 422], spec);
    }
}

#[test]
fn a054_b022_addresses_and_numbers_have_one_reading() {
    let world = world();
    let service = |spec: serde_json::Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a054"}, "spec": spec});
    for spec in [
        json!({"ports": [{"port": 80}], "clusterIP": "010.96.0.9"}),
        json!({"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]}),
        json!({"ports": [{"port": 80}], "externalIPs": ["0177.0.0.1"]}),
        json!({"ports": [{"port": 80}], "type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0"]}),
        json!({"ports": [{"port": 65537}]}),
        json!({"ports": [{"port": -1}]}),
        json!({"ports": [{"port": 4_294_967_377_i64}]}),
        json!({"ports": [{"port": 80.5}]}),
    ] {
        world.admin.post("/api/v1/namespaces/a/services", &service(spec.clone())).is(&[400, 422], spec);
    }
    for replicas in
        [json!(2_147_483_648_i64), json!(9_223_372_036_854_775_807_i64), json!(-1), json!(1.5), json!("3")]
    {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b022"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
        world.admin.post("/apis/apps/v1/namespaces/a/deployments", &deployment).is(&[400, 422], replicas);
    }
}

#[test]
fn g021_a_pod_stays_what_it_is() {
    let world = world();
    world.admin.post("/api/v1/namespaces/a/pods", &pod("g021")).is(&[201], "pod");
    let one = "/api/v1/namespaces/a/pods/g021";
    for spec in [
        json!({"hostNetwork": true}),
        json!({"hostPID": true}),
        json!({"restartPolicy": "Never"}),
        json!({"nodeSelector": {"a": "b"}}),
        json!({"tolerations": null}),
        json!({"terminationGracePeriodSeconds": 1}),
        json!({"schedulingGates": [{"name": "x.io/y"}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        json!({"containers": [{"name": "c", "image": "i", "command": ["x"]}]}),
    ] {
        let answer = world.admin.patch("merge", one, &json!({"spec": spec}));
        let same = answer.code == 200 && spec.get("tolerations").is_some();
        assert!(same || matches!(answer.code, 403 | 422), "{spec}: {}", answer.head);
    }
    world
        .admin
        .patch("strategic", one, &json!({"spec": {"containers": [{"name": "c", "image": "j"}]}}))
        .is(&[200], "image");
}
