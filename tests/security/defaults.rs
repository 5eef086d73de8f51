//! What a cluster starts with, what is served of others, and what is refused before it would be forwarded.

use serde_json::{Value, json};

use crate::wire::Client;
use crate::world::{Server, make_namespace, pod, rbac, wait, world};

/// A cluster of one command, and the file whose kubeconfig it merges into.
fn up() -> Server {
    let dir = tempfile::Builder::new().prefix("portcullis-security-").tempdir().unwrap().keep();
    up_in(dir)
}

fn up_in(dir: std::path::PathBuf) -> Server {
    let _ = std::fs::remove_file(dir.join("kubeconfig"));
    let server = Server::start_as("up", dir, &[]);
    wait("a kubeconfig", || server.dir.join("kubeconfig").exists().then_some(()));
    server
}

fn person(server: &Server) -> Client {
    let kubeconfig = std::fs::read_to_string(server.dir.join("kubeconfig")).unwrap();
    crate::world::client(server.address, &kubeconfig)
}

#[test]
fn c023_every_controller_is_its_own_service_account() {
    let server = up();
    make_namespace(&server.admin, "c023");
    let (mut seen, mut strange) = (std::collections::BTreeSet::new(), Vec::new());
    wait("writes of controllers", || {
        for event in server.audit().lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let user = event["user"]["username"].as_str().unwrap_or_default().to_owned();
            let writes = matches!(event["verb"].as_str(), Some("create" | "update" | "patch" | "delete"));
            if !writes || event["objectRef"]["namespace"] != "c023" {
                continue;
            }
            match user.strip_prefix("system:serviceaccount:kube-system:") {
                Some(controller) => drop(seen.insert(controller.to_owned())),
                // The test's own.
                None if user == "kubernetes-super-admin" => {}
                None => strange.push(user),
            }
        }
        (seen.len() > 1).then_some(())
    });
    assert!(strange.is_empty(), "{strange:?}");
    assert!(
        seen.contains("root-ca-cert-publisher") && seen.contains("service-account-controller"),
        "{seen:?}"
    );
    // None of them has another's rights.
    let masters = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"});
    let bindings = server.admin.get(&rbac("clusterrolebindings")).is(&[200], "bindings").tree();
    for binding in bindings["items"].as_array().unwrap() {
        let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
        let is_controller = |subject: &Value| {
            subject["kind"] == "ServiceAccount" && seen.contains(subject["name"].as_str().unwrap_or_default())
        };
        if subjects.iter().any(is_controller) {
            assert_ne!(binding["roleRef"]["name"], "cluster-admin", "{masters}: {binding}");
            assert_eq!(subjects.len(), 1, "{binding}");
        }
    }
}

#[test]
fn c029_the_administrators_are_a_group_whose_binding_can_be_deleted() {
    let server = up();
    let jane = person(&server);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let me = jane.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).is(&[201], "who").tree();
    let groups = me["status"]["userInfo"]["groups"].as_array().unwrap().clone();
    assert!(groups.contains(&json!("kubeadm:cluster-admins")), "{me}");
    assert!(!groups.contains(&json!("system:masters")), "nothing revokes those: {me}");
    jane.get("/api/v1/secrets").is(&[200], "an administrator");
    let binding = format!("{}/kubeadm:cluster-admins", rbac("clusterrolebindings"));
    server.admin.delete(&binding).is(&[200], "delete");
    jane.get("/api/v1/secrets").is(&[403], "no longer one");
    // For good: the next start gives nothing back.
    let server = up_in(server.stop_for_restart());
    server.admin.get(&binding).is(&[404], "the binding");
    person(&server).get("/api/v1/secrets").is(&[403], "still none");
}

#[test]
fn c036_what_is_not_enforced_is_said_to_be_so() {
    let world = world();
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "c036"}, "spec": {"podSelector": {}}});
    let path = "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies";
    let answer = world.admin.post(path, &policy).is(&[201], "policy");
    assert!(answer.headers("warning").any(|text| text.contains("not enforced")), "{}", answer.head);
}

#[test]
fn a066_nothing_of_the_store_is_asked_through_the_front_door() {
    let world = world();
    for path in [
        "/v3/lease/timetolive",
        "/v3/kv/range",
        "/v3/kv/lease/timetolive",
        "/etcdserverpb.Lease/LeaseTimeToLive",
        "/etcdserverpb.KV/Range",
        "/v2/keys",
    ] {
        world
            .admin
            .send("POST", path, &[("Content-Type", "application/json")], b"{\"ID\":1,\"keys\":true}")
            .is(&[404, 405], path);
        world.low.send("POST", path, &[], b"").is(&[403], path);
        world.anon.send("POST", path, &[], b"").is(&[401], path);
    }
}

#[test]
fn a084_a_name_is_never_a_template_and_a_credential_is_given_once() {
    let world = world();
    let names = ["{{.AccountID}}", "{{SessionName}}", "%s%n", "$(id)", "${user}", "{0}", "\\1"];
    for name in names {
        let user = world.server.user(name, &["{{group}}"]);
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let me =
            user.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).is(&[201], name).tree();
        assert_eq!(me["status"]["userInfo"]["username"], name);
        assert_eq!(me["status"]["userInfo"]["groups"][0], "{{group}}");
    }
    let token = world.sa.clone();
    let secrets = "/api/v1/namespaces/a/secrets";
    for second in [
        ("Authorization", "Bearer other"),
        ("authorization", "Bearer other"),
        ("AUTHORIZATION", "Basic eDp5"),
    ] {
        token.send("GET", secrets, &[second], b"").is(&[400], second.1);
    }
    // A credential in the query is none.
    for query in ["access_token=x", "Access_Token=x", "token=x&token=y", "X-Amz-Signature=x"] {
        world.anon.get(&format!("{secrets}?{query}")).is(&[401], query);
    }
}

#[test]
fn b009_only_who_rules_the_cluster_makes_volumes_of_the_host() {
    let world = world();
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "b009"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}});
    for client in [&world.nsadm, &world.low, &world.sa, &world.node1] {
        client.post("/api/v1/persistentvolumes", &volume).is(&[403], "a volume");
    }
    // None of the roles for people has it, aggregated or not.
    for role in ["admin", "edit", "view"] {
        let rules = world.admin.get(&format!("{}/{role}", rbac("clusterroles"))).is(&[200], role).tree();
        for rule in rules["rules"].as_array().unwrap() {
            let resources = rule["resources"].as_array().cloned().unwrap_or_default();
            assert!(!resources.iter().any(|one| one == "persistentvolumes" || one == "*"), "{role}: {rule}");
        }
    }
    let mut direct = pod("b009");
    direct["spec"]["volumes"] = json!([{"name": "h", "hostPath": {"path": "/"}}]);
    restricted(&world.admin, "b009");
    world.admin.post("/api/v1/namespaces/b009/pods", &direct).is(&[403], "a pod that names the host");
}

fn restricted(admin: &Client, name: &str) {
    make_namespace(admin, name);
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    admin.patch("merge", &format!("/api/v1/namespaces/{name}"), &label).is(&[200], "label");
}

/// The restricted level has these gaps on purpose; they are upstream's, no more and no less.
#[test]
fn b019_the_restricted_level_is_upstreams() {
    let world = world();
    restricted(&world.admin, "b019");
    let made = |change: Value| {
        let mut object = pod("b019");
        object["spec"]["securityContext"] = json!({"runAsNonRoot": true, "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"}});
        object["spec"]["containers"][0]["securityContext"] =
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        for (key, value) in change.as_object().unwrap() {
            object["spec"]["securityContext"][key] = value.clone();
        }
        world.admin.post("/api/v1/namespaces/b019/pods?dryRun=All", &object).code
    };
    assert_eq!(made(json!({})), 201);
    assert_eq!(made(json!({"runAsGroup": 0})), 201);
    assert_eq!(made(json!({"supplementalGroups": [0], "fsGroup": 0})), 201);
    assert_eq!(made(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "lax.json"}})), 201);
    assert_eq!(made(json!({"seccompProfile": {"type": "Unconfined"}})), 403);
    assert_eq!(made(json!({"runAsUser": 0})), 403);
    assert_eq!(made(json!({"runAsNonRoot": false})), 403);
}

#[test]
fn b027_what_a_pod_is_given_without_asking_is_brief_and_bound() {
    let world = world();
    let made = world.admin.post("/api/v1/namespaces/a/pods", &pod("b027")).is(&[201], "pod").tree();
    let tokens: Vec<Value> = made["spec"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|volume| volume["projected"]["sources"].as_array().cloned().unwrap_or_default())
        .filter_map(|source| source.get("serviceAccountToken").cloned())
        .collect();
    assert_eq!(
        tokens,
        [json!({"expirationSeconds": 3607, "path": "token"})],
        "no audience but the server's own"
    );
    assert!(!made.to_string().contains("\"secretName\""), "no token that lasts: {made}");
    let ask = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "audiences": ["vault"], "expirationSeconds": 3607,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "b027"}}});
    let path = "/api/v1/namespaces/a/serviceaccounts/default/token";
    let elsewhere = world.admin.post(path, &ask).is(&[201], "token").tree();
    let elsewhere = world.anon.bearer(elsewhere["status"]["token"].as_str().unwrap());
    elsewhere.get("/api/v1/namespaces/a/pods").is(&[401], "meant for others");
    let ask = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "b027"}}});
    let own = world.admin.post(path, &ask).is(&[201], "token").tree();
    let own = world.anon.bearer(own["status"]["token"].as_str().unwrap());
    own.get("/api/v1/namespaces/a/secrets").is(&[403], "known, and without rights");
    world.admin.delete("/api/v1/namespaces/a/pods/b027?gracePeriodSeconds=0").is(&[200], "delete");
    own.get("/api/v1/namespaces/a/secrets").is(&[401], "over with its pod");
    // Accounts and pods may do without.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "b027"},
        "automountServiceAccountToken": false});
    world.admin.post("/api/v1/namespaces/a/serviceaccounts", &account).is(&[201], "account");
    let mut without = pod("b027-without");
    without["spec"]["serviceAccountName"] = "b027".into();
    let made = world.admin.post("/api/v1/namespaces/a/pods", &without).is(&[201], "pod").tree();
    assert_eq!(made["spec"].get("volumes"), None, "{made}");
}

#[test]
fn b029_no_probe_goes_where_its_author_says() {
    let world = world();
    make_namespace(&world.admin, "b029");
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    world.admin.patch("merge", "/api/v1/namespaces/b029", &label).is(&[200], "label");
    for (field, host) in [
        ("/livenessProbe/httpGet", "169.254.169.254"),
        ("/readinessProbe/tcpSocket", "10.0.0.1"),
        ("/startupProbe/httpGet", "node.example.org"),
        ("/lifecycle/postStart/httpGet", "169.254.169.254"),
        ("/lifecycle/preStop/tcpSocket", "10.0.0.1"),
    ] {
        let target = |host: Option<&str>| {
            let mut action = json!({"port": 80});
            if let Some(host) = host {
                action["host"] = host.into();
            }
            let mut object = pod("b029");
            let nested = field.rsplit('/').filter(|part| !part.is_empty());
            let nested = nested.fold(action, |inner, part| json!({ part: inner }));
            object["spec"]["containers"][0]
                .as_object_mut()
                .unwrap()
                .extend(nested.as_object().unwrap().clone());
            object
        };
        let path = "/api/v1/namespaces/b029/pods?dryRun=All";
        let refused = world.admin.post(path, &target(Some(host))).is(&[403], field);
        assert!(refused.text().contains("probe or lifecycle host"), "{}", refused.text());
        world.admin.post(path, &target(None)).is(&[201], field);
    }
}

#[test]
fn b040_what_is_written_is_read_back_byte_by_byte() {
    let world = world();
    for odd in ["%00", "%00Strict", "Strict%00", "strict", "%E2%80%AEStrict"] {
        let path = format!("/api/v1/namespaces/a/configmaps?fieldValidation={odd}");
        let answer = world.admin.post(&path, &crate::world::config_map("b040"));
        assert!(matches!(answer.code, 400 | 422), "{odd}: {}", answer.head);
    }
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "numbers.b040.example.com"},
        "spec": {"group": "b040.example.com", "scope": "Namespaced",
            "names": {"plural": "numbers", "singular": "number", "kind": "Number"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    world
        .admin
        .post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition)
        .is(&[201], "definition");
    let path = "/apis/b040.example.com/v1/namespaces/a/numbers";
    wait("the resource", || (world.admin.get(path).code == 200).then_some(()));
    let numbers = [
        "0.1",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "3.4028234663852886e38",
        "16777217",
        "0.1000000014901161",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
    ];
    let body = format!(
        "{{\"apiVersion\":\"b040.example.com/v1\",\"kind\":\"Number\",\"metadata\":{{\"name\":\"n\"}},\"list\":[{}]}}",
        numbers.join(",")
    );
    let json = [("Content-Type", "application/json")];
    world.admin.send("POST", path, &json, body.as_bytes()).is(&[201], "numbers");
    let first = world.admin.get(&format!("{path}/n")).is(&[200], "get");
    let text = first.text();
    let list = text.split_once("\"list\":[").unwrap().1.split_once(']').unwrap().0;
    let read: Vec<&str> = list.split(',').collect();
    assert_eq!(read.len(), numbers.len());
    for (wrote, read) in numbers.iter().zip(read) {
        let exact = |text: &str| text.parse::<f64>().unwrap().to_bits();
        assert!(
            wrote == &read || (wrote.contains(['.', 'e']) && exact(wrote) == exact(read)),
            "{wrote}: {read}"
        );
    }
    // Written back as it was read it is the same, to the byte.
    let again = world.admin.send("PUT", &format!("{path}/n"), &json, &first.body).is(&[200], "put");
    assert_eq!(again.body, first.body);
    assert_eq!(world.admin.get(&format!("{path}/n")).body, first.body);
}

#[test]
fn a057_f062_a_log_is_of_a_container_of_the_pod_and_its_options_are_numbers_and_times() {
    let world = world();
    let mut running = pod("a057");
    running["spec"]["nodeName"] = "node1".into();
    world.admin.post("/api/v1/namespaces/a/pods", &running).is(&[201], "pod");
    let log = |query: &str| world.admin.get(&format!("/api/v1/namespaces/a/pods/a057/log?{query}"));
    for container in ["../../b/pod2/c", "%2e%2e", "%2E%2E%2Fc", "c%00", "c%2F..", "C", "c%20"] {
        let answer = log(&format!("container={container}")).is(&[400], container);
        assert!(answer.text().contains("is not valid for pod a057"), "{}", answer.text());
    }
    for (query, code, words) in [
        ("tailLines=9223372036854775808", 400, "value out of range"),
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("tailLines=x", 400, "invalid syntax"),
        ("limitBytes=-1", 422, "limitBytes: Invalid value: -1: must be greater than 0"),
        ("limitBytes=0", 422, "must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            "sinceTime=9999-99-01T00:00:00Z",
            400,
            "parsing time \\\"9999-99-01T00:00:00Z\\\": month out of range",
        ),
        ("sinceTime=yesterday", 400, "parsing time"),
        (
            "sinceTime=2020-01-01T00:00:00Z&sinceSeconds=1",
            422,
            "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
        ("stream=Stdout", 422, "stream: Forbidden: may not be specified"),
    ] {
        let answer = log(query).is(&[code], query);
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
    // Whatever else is asked for, nobody is dialled who has not said where they are.
    log("insecureSkipTLSVerifyBackend=true").is(&[404], "no such node");
    world.low.get("/api/v1/namespaces/a/pods/a057/log?insecureSkipTLSVerifyBackend=true").is(&[403], "low");
}

#[test]
fn g028_what_extension_servers_trust_is_the_servers_to_say() {
    let server = Server::start(&[]);
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let truth = wait("the config map", || {
        let answer = server.admin.get(path);
        (answer.code == 200).then(|| answer.tree()["data"].clone())
    });
    assert!(truth["client-ca-file"].as_str().is_some_and(|pem| pem.contains("BEGIN CERTIFICATE")), "{truth}");
    let evil = json!({"data": {"requestheader-client-ca-file": "evil", "requestheader-allowed-names": "[\"evil\"]"}});
    let low = server.user("low", &[]);
    low.patch("merge", path, &evil).is(&[403], "low");
    server.admin.patch("merge", path, &evil).is(&[200], "who rules the cluster can write it, for a moment");
    wait("the truth again", || (server.admin.get(path).tree()["data"] == truth).then_some(()));
    // What an extension server asks with is answered to those only who may ask.
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}});
    low.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).is(&[403], "token review");
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods"}}});
    low.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).is(&[403], "access review");
}

#[test]
fn g029_an_extension_server_is_verified_or_said_not_to_be() {
    let world = world();
    let service = |change: Value| {
        let mut object = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.g029.example.com"},
            "spec": {"group": "g029.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
                "service": {"namespace": "a", "name": "s"}}});
        object["spec"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        world.admin.post("/apis/apiregistration.k8s.io/v1/apiservices?dryRun=All", &object)
    };
    let pem = base64(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let both = service(json!({"insecureSkipTLSVerify": true, "caBundle": pem})).is(&[422], "both");
    assert!(both.text().contains("may not be true if caBundle is present"), "{}", both.text());
    service(json!({"insecureSkipTLSVerify": true})).is(&[201], "said");
    let low = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.g029.example.com"}, "spec": {}});
    world.nsadm.post("/apis/apiregistration.k8s.io/v1/apiservices", &low).is(&[403], "nsadm");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn j009_no_enforcer_remembers_by_a_hash() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("casbin = ")).unwrap();
    assert!(line.contains("default-features = false") && !line.contains("cached"), "{line}");
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(
                    !text.contains("CachedEnforcer") && !text.contains("CachedApi"),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
