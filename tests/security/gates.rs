//! The gates in their order, and what holds when many requests meet, break off or come in odd shapes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::PATIENCE;
use crate::world::{Server, config_map, make_namespace, pod, rbac, secret, world};

const CONFIG_MAPS: &str = "/api/v1/namespaces/a/configmaps";

#[test]
fn j001_the_gate_that_stands_first_answers() {
    let world = world();
    let json = [("Content-Type", "application/json")];
    // Whoever asks, a path that can be read in two ways is refused before anything is believed.
    for client in [&world.anon, &world.low, &world.admin] {
        client.get("/api/v1/namespaces/a%2Fb/pods").is(&[400], "an odd path");
        client.get("/api//v1").is(&[400], "an odd path");
    }
    // Nobody in particular: 401, whatever else is wrong with the request.
    for (method, path, body) in [
        ("GET", "/nothing", &b""[..]),
        ("GET", "/api/v1/nothings", b""),
        ("POST", CONFIG_MAPS, b"{"),
        ("POST", CONFIG_MAPS, b"\xff\xff"),
        ("DELETE", "/api/v1/namespaces/a", b"not options"),
        ("PUT", "/api/v1/namespaces/a/configmaps/none", b"[]"),
        ("POST", "/apis/apps/v1/namespaces/none/deployments", b"{}"),
    ] {
        world.anon.send(method, path, &json, body).is(&[401], format!("nobody: {method} {path}"));
        let impersonating = [json[0], ("Impersonate-User", "root")];
        world.anon.send(method, path, &impersonating, body).is(&[401], format!("as root: {method} {path}"));
        // Known, but without the right: 403 before the path is routed or the body is read.
        world.low.send(method, path, &json, body).is(&[403], format!("low: {method} {path}"));
        world
            .low
            .send(method, path, &impersonating, body)
            .is(&[403], format!("low as root: {method} {path}"));
    }
    // With the right: only now it is looked at what is asked for, and then at the body.
    world.admin.get("/api/v1/nothings").is(&[404], "a route");
    world.admin.send("POST", CONFIG_MAPS, &[("Content-Type", "text/plain")], b"{").is(&[415], "a media type");
    world.admin.send("POST", CONFIG_MAPS, &json, b"{").is(&[400], "a body");
    // Admission sees what was decoded, and validation what admission let pass.
    let bad = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "J001_"},
        "spec": {"serviceAccountName": "nobody", "containers": []}});
    world.admin.post("/api/v1/namespaces/a/pods", &bad).is(&[403], "admission before validation");
    let bad = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "J001_"}});
    world.admin.post(CONFIG_MAPS, &bad).is(&[422], "validation");
    world.admin.post("/api/v1/namespaces/none/configmaps", &bad).is(&[404], "admission: the namespace");
}

#[test]
fn j004_an_authorizer_that_fails_allows_nothing() {
    // Nothing listens there: every question to it ends in an error.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("webhook.yaml");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: w, cluster: {{server: 'https://{free}/'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: w, user: u}}}}]\ncurrent-context: c\n"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let file = kubeconfig.to_str().unwrap();
    let server = Server::start(&[
        "--authorization-mode",
        "Node,Webhook,RBAC",
        "--authorization-webhook-config-file",
        file,
        "--authentication-token-webhook-config-file",
        file,
    ]);
    make_namespace(&server.admin, "a");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "all"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    });
    server.admin.post(&rbac("clusterrolebindings"), &binding).is(&[201], "binding");
    // RBAC behind the webhook would allow it: that is not asked, and what cannot be said is no.
    let jane = server.user("jane", &[]);
    jane.get(CONFIG_MAPS).is(&[500], "an authorizer that fails");
    jane.post(CONFIG_MAPS, &config_map("x")).is(&[500], "an authorizer that fails");
    server.admin.get(&format!("{CONFIG_MAPS}/x")).is(&[404], "nothing was made");
    // A token that only the other webhook could know is nobody's, and nobody is not let in as anonymous.
    server.anonymous().bearer("unknown").get(CONFIG_MAPS).is(&[401], "an authenticator that fails");
    server.anonymous().bearer("unknown").get("/livez").is(&[401], "not even where anybody may");
    server.admin.get(CONFIG_MAPS).is(&[200], "masters need no authorizer");
}

#[test]
fn j023_health_answers_while_costly_requests_run() {
    let world = world();
    let stop = AtomicBool::new(false);
    let unsigned = format!("{}.{}.{}", "eyJhbGciOiJSUzI1NiJ9", "A".repeat(8000), "A".repeat(342));
    let patterns: Value = (0..400)
        .map(|i| (format!("p{i}"), json!({"type": "string", "pattern": "(a{1,100}b{1,100}){1,20}"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "costs.j023.example.com"},
        "spec": {
            "group": "j023.example.com", "scope": "Namespaced", "names": {"plural": "costs", "kind": "Cost"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": patterns}}}],
        },
    });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    world.anon.bearer(&unsigned).get(CONFIG_MAPS);
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                world
                    .admin
                    .post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", &definition);
            }
        });
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            world.alive();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn j024_a_client_that_leaves_in_the_middle_leaves_nothing_half_done() {
    let world = world();
    make_namespace(&world.admin, "j024");
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": {"count/configmaps": "1000", "services": "1000"}},
    });
    world.admin.post("/api/v1/namespaces/j024/resourcequotas", &quota).is(&[201], "quota");
    let quota = "/api/v1/namespaces/j024/resourcequotas/q";
    // What no controller does here: the first count.
    let mut counted = world.admin.get(quota).tree();
    counted["status"] = json!({
        "hard": {"count/configmaps": "1000", "services": "1000"},
        "used": {"count/configmaps": "0", "services": "0"},
    });
    world.admin.put(&format!("{quota}/status"), &counted).is(&[200], "the first count");
    for i in 0..60 {
        let (resource, object) = match i % 2 {
            0 => ("configmaps", config_map(&format!("c{i}"))),
            _ => (
                "services",
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("s{i}")},
                "spec": {"ports": [{"port": 80}]}}),
            ),
        };
        let body = object.to_string();
        let mut stream = world.admin.open().unwrap();
        let head = format!(
            "POST /api/v1/namespaces/j024/{resource} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.send(head.as_bytes());
        // Some leave before the body is whole, some at once after it, some a little later.
        let sent = if i % 5 == 0 { body.len() / 2 } else { body.len() };
        stream.send(&body.as_bytes()[..sent]);
        std::thread::sleep(Duration::from_millis(i % 7));
        drop(stream);
    }
    let count = |path: &str| world.admin.get(path).tree()["items"].as_array().map_or(0, Vec::len);
    let state = || {
        let used = world.admin.get(quota).tree()["status"]["used"].clone();
        let (maps, services) =
            (count("/api/v1/namespaces/j024/configmaps"), count("/api/v1/namespaces/j024/services"));
        let agree =
            used["count/configmaps"] == *maps.to_string() && used["services"] == *services.to_string();
        (agree, format!("{used} {maps} {services}"))
    };
    let until = Instant::now() + PATIENCE;
    while !state().0 {
        assert!(Instant::now() < until, "the quota and what there is differ: {}", state().1);
        std::thread::sleep(Duration::from_millis(100));
    }
    // Every address that was given out is a service's, and no two have the same.
    // Looked at first: a service whose client has left may still be on its way.
    let given = world.admin.get("/apis/networking.k8s.io/v1/ipaddresses").tree();
    let services = world.admin.get("/api/v1/namespaces/j024/services").tree();
    let mut addresses = BTreeSet::new();
    for service in services["items"].as_array().unwrap() {
        assert!(addresses.insert(service["spec"]["clusterIP"].as_str().unwrap().to_owned()));
    }
    for address in given["items"].as_array().unwrap() {
        let parent = &address["spec"]["parentRef"];
        if parent["namespace"] == "j024" {
            assert!(addresses.contains(address["metadata"]["name"].as_str().unwrap()), "{address}");
        }
    }
}

#[test]
fn j027_writes_watches_and_policies_do_not_wait_for_each_other() {
    let world = &world();
    make_namespace(&world.admin, "j027");
    let path = "/api/v1/namespaces/j027/configmaps";
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let stop = &stop;
            scope.spawn(move || {
                for i in 0..60 {
                    let object = config_map(&format!("w{writer}-{i}"));
                    world.admin.post(path, &object).is(&[201], "a write");
                    world.admin.delete(&format!("{path}/w{writer}-{i}")).is(&[200], "a deletion");
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    world.admin.get(&format!("{path}?watch=true&timeoutSeconds=1")).is(&[200], "a watch");
                }
            });
        }
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                    "metadata": {"name": format!("r{round}")},
                    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
                world.admin.post(&rbac("namespaces/j027/roles"), &role).is(&[201], "a policy");
            }
        });
        // Everybody is answered all the while: no request waits for longer than its patience.
        while !stop.load(Ordering::Relaxed) {
            world.alive();
            world.low.get(path).is(&[403], "a decision");
        }
    });
}

#[test]
fn j032_what_was_judged_is_what_is_stored() {
    let world = world();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "j032", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    world.admin.post("/api/v1/namespaces", &namespace).is(&[201], "namespace");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    world.admin.post("/api/v1/namespaces/j032/serviceaccounts", &account).is(&[201], "account");
    let path = "/api/v1/namespaces/j032/pods";
    let forms = [
        r#""hostNetwork":true,"hostNetwork":false"#,
        r#""hostNetwork":false,"hostNetwork":true"#,
        r#""HostNetwork":true"#,
        r#""hostnetwork":true,"hostNetwork":false"#,
        r#""hostNetwor\u006b":true"#,
        r#""hostNetwork\u0000":true"#,
        r#""host Network":true"#,
    ];
    for (i, form) in forms.iter().enumerate() {
        for validation in ["Strict", "Warn", "Ignore"] {
            let name = format!("p{i}-{}", validation.to_lowercase());
            let body = format!(
                r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{{form},"containers":[{{"name":"c","image":"i"}}]}}}}"#
            );
            let asked = format!("{path}?fieldValidation={validation}");
            let made =
                world.admin.send("POST", &asked, &[("Content-Type", "application/json")], body.as_bytes());
            let made = made.is(&[201, 400, 403, 422], form);
            if made.code == 201 {
                let stored = world.admin.get(&format!("{path}/{name}")).is(&[200], form).text();
                assert!(!stored.to_lowercase().contains("\"hostnetwork\":true"), "{form}: {stored}");
                assert!(!stored.contains("host Network") && !stored.contains("\\u0000"), "{form}: {stored}");
            }
        }
    }
    world.admin.post(path, &pod("plain")).is(&[201], "a plain pod");
}

/// All files below a folder.
fn files(folder: &Path, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.insert(path.display().to_string());
        }
    }
}

#[test]
fn j036_no_text_of_a_request_names_a_file() {
    let server = Server::start(&["--user-tokens"]);
    make_namespace(&server.admin, "a");
    let listed = || {
        let mut all = BTreeSet::new();
        files(&server.data(), &mut all);
        all
    };
    server.admin.post(CONFIG_MAPS, &config_map("first")).is(&[201], "a write");
    let before = listed();
    let names = [
        "/etc/passwd",
        "../../x",
        "..",
        "a/../../b",
        "C:\\x",
        "x\0y",
        "~root",
        "$(id)",
        "file:///etc/passwd",
    ];
    for name in names {
        server.admin.post(CONFIG_MAPS, &config_map(name)).is(&[422], name);
        let path =
            format!("{CONFIG_MAPS}/{}", name.replace('/', "%2F").replace('\0', "%00").replace(' ', "%20"));
        assert!(matches!(server.admin.get(&path).code, 400 | 404), "{name}");
        let token = json!({"apiVersion": "identity.portcullis.io/v1", "kind": "UserToken", "metadata": {"name": name},
            "spec": {"user": "jane"}});
        server.admin.post("/apis/identity.portcullis.io/v1/usertokens", &token).is(&[422], name);
        let request =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {name: "eA=="}});
        server.admin.post("/api/v1/namespaces/a/secrets", &request).is(&[201, 422], name);
        server.admin.send("GET", CONFIG_MAPS, &[("Impersonate-User", &name.replace('\0', ""))], b"");
    }
    server.admin.post("/api/v1/namespaces/a/secrets", &secret("t", "eA==")).is(&[201, 409], "secret");
    // Names of the log's parts and of the server's own temporary files are the server's.
    let ours =
        |path: &String| path.contains("/audit") || path.ends_with(".new") || path.contains("/pki/issued/");
    let new: Vec<String> = listed().difference(&before).filter(|path| !ours(path)).cloned().collect();
    assert!(new.is_empty(), "{new:?}");
}
