//! Streams into pods, nodes and services, and evictions: what is refused, and in which words.

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::program::Home;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn cluster(home: &Home) -> Admin {
    let admin = Admin::of(home.serve(&["apiserver"]));
    let account = json!({"metadata": {"name": "default"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/serviceaccounts", &account).status, 201);
    admin
}

fn pod(name: &str, node: &str) -> Value {
    let container = json!({"name": "main", "image": "i"});
    json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [container]}})
}

#[track_caller]
fn refused(admin: &Admin, path: &str) -> String {
    let reply = admin.read(path);
    let status: Value = reply.json().unwrap();
    format!("{} {}", reply.status.as_u16(), status["message"].as_str().unwrap_or_default())
}

#[test]
fn streams_to_what_is_not_there_are_refused_in_upstreams_words() {
    let home = Home::new();
    let admin = cluster(&home);
    assert_eq!(admin.post(PODS, &pod("p", "gone")).status, 201);
    let web = json!({"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/services", &web).status, 201);
    let none = json!({"metadata": {"name": "web"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/endpoints", &none).status, 201);
    assert_eq!(admin.post("/api/v1/nodes", &json!({"metadata": {"name": "mute"}})).status, 201);

    let said = |path: &str| refused(&admin, path);
    assert_eq!(said(&format!("{PODS}/q/log")), "404 pods \"q\" not found");
    assert_eq!(said(&format!("{PODS}/p/log")), "404 nodes \"gone\" not found");
    assert_eq!(said(&format!("{PODS}/p/exec?command=id")), "404 nodes \"gone\" not found");
    assert_eq!(said(&format!("{PODS}/p/proxy/x")), "400 address not allowed");
    assert_eq!(said(&format!("{PODS}/ftp:p:80/proxy/x")), "400 invalid pod request \"ftp:p:80\"");
    assert_eq!(said("/api/v1/nodes/gone/proxy/x"), "404 nodes \"gone\" not found");
    assert_eq!(said("/api/v1/nodes/mute/proxy/x"), "500 no preferred addresses found; known addresses: []");
    let services = "/api/v1/namespaces/default/services";
    assert_eq!(said(&format!("{services}/none/proxy/")), "404 endpoints \"none\" not found");
    assert_eq!(said(&format!("{services}/none:80/proxy/")), "404 services \"none\" not found");
    assert_eq!(
        said(&format!("{services}/http:web:81/proxy/")),
        "503 no service port 81 found for service \"web\""
    );
    assert_eq!(said(&format!("{services}/web:80/proxy/")), "503 no endpoints available for service \"web\"");
}

#[test]
fn clients_of_old_evict_as_well() {
    let home = Home::new();
    let admin = cluster(&home);
    for version in ["v1", "v1beta1"] {
        assert_eq!(admin.post(PODS, &pod("p", "")).status, 201);
        let eviction =
            json!({"apiVersion": format!("policy/{version}"), "kind": "Eviction", "metadata": {"name": "p"}});
        assert_eq!(admin.post(&format!("{PODS}/p/eviction"), &eviction).status, 201, "{version}");
        assert!(admin.get(&format!("{PODS}/p")).is_none(), "{version}");
    }
    let odd = json!({"apiVersion": "policy/v1alpha1", "kind": "Eviction", "metadata": {"name": "p"}});
    assert_eq!(admin.post(&format!("{PODS}/p/eviction"), &odd).status, 400);
}
