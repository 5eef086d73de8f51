//! What a node reaches: what its own pods need, for as long as they are its own.

use serde_json::{Value, json};

use crate::wire::Client;
use crate::world::{World, pod, secret, world};

/// A pod on a node that names a secret in a volume, a pull secret and a config map.
fn pod_on(name: &str, node: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["nodeName"] = node.into();
    pod["spec"]["imagePullSecrets"] = json!([{"name": format!("{name}-pull")}]);
    pod["spec"]["volumes"] = json!([
        {"name": "s", "secret": {"secretName": format!("{name}-secret")}},
        {"name": "c", "configMap": {"name": format!("{name}-map")}},
    ]);
    pod
}

/// Makes a pod with all it names, and answers with what its node may read.
fn make(world: &World, name: &str, node: &str) -> Vec<String> {
    let at = "/api/v1/namespaces/a";
    for kind in ["pull", "secret"] {
        let made = secret(&format!("{name}-{kind}"), "eA==");
        world.admin.post(&format!("{at}/secrets"), &made).is(&[201], "secret");
    }
    let map = crate::world::config_map(&format!("{name}-map"));
    world.admin.post(&format!("{at}/configmaps"), &map).is(&[201], "config map");
    world.admin.post(&format!("{at}/pods"), &pod_on(name, node)).is(&[201], "pod");
    [format!("secrets/{name}-pull"), format!("secrets/{name}-secret"), format!("configmaps/{name}-map")]
        .map(|rest| format!("{at}/{rest}"))
        .to_vec()
}

#[track_caller]
fn each(client: &Client, paths: &[String], code: u16) {
    for path in paths {
        client.get(path).is(&[code], path);
    }
}

#[test]
fn e050_a_node_reads_what_its_pods_need_while_they_are_its_own() {
    let world = world();
    let node2 = world.server.user("system:node:node2", &["system:nodes"]);
    let (first, second) = (make(&world, "e050-1", "node1"), make(&world, "e050-2", "node2"));
    each(&world.node1, &first, 200);
    each(&world.node1, &second, 403);
    each(&node2, &second, 200);
    each(&node2, &first, 403);
    each(&node2, &["/api/v1/namespaces/b/secrets/e050-2-pull".to_owned()], 403);
    let now = "/api/v1/namespaces/a/pods/e050-1?gracePeriodSeconds=0";
    world.admin.delete(now).is(&[200], "deletion");
    each(&world.node1, &first, 403);
}

#[test]
fn h029_a_node_that_is_gone_reads_what_its_pods_need_until_they_are() {
    let world = world();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "h029"}});
    world.admin.post("/api/v1/nodes", &node).is(&[201], "node");
    let kubelet = world.server.user("system:node:h029", &["system:nodes"]);
    let paths = make(&world, "h029-pod", "h029");
    each(&kubelet, &paths, 200);
    world.admin.delete("/api/v1/nodes/h029").is(&[200], "node");
    world.admin.delete("/api/v1/namespaces/a/pods/h029-pod?gracePeriodSeconds=0").is(&[200], "pod");
    each(&kubelet, &paths, 403);
    kubelet.get("/api/v1/nodes/h029").is(&[404], "its own object, which is not there");
    kubelet.get("/api/v1/nodes/node1").is(&[403], "another's");
}

#[test]
fn e034_only_a_nodes_own_selector_lists_pods() {
    let world = world();
    let list = |selector: &str| world.node1.get(&format!("/api/v1/pods?fieldSelector={selector}"));
    list("spec.nodeName%3Dnode1").is(&[200], "its own");
    list("spec.nodeName%3D%3Dnode1").is(&[200], "its own, spelled otherwise");
    for selector in [
        "spec.nodeName%21%3Dnode2",
        "spec.nodeName%3Dnode2",
        "spec.nodeName%20in%20(node1)",
        "spec.nodeName",
        "",
        "metadata.name%3Dnode1",
    ] {
        list(selector).is(&[403], selector);
    }
    world.node1.get("/api/v1/pods").is(&[403], "all pods");
    world.node1.get("/api/v1/nodes").is(&[403], "all nodes");
    world.node1.get("/api/v1/nodes/node2").is(&[403], "another node");
    world.node1.get("/api/v1/nodes/node1").is(&[404], "itself, which is not there");
}

#[test]
fn a008_e058_neither_the_server_nor_its_neighbours_are_forwarded_to() {
    let world = world();
    world.admin.post("/api/v1/nodes", &json!({"metadata": {"name": "a008"}})).is(&[201], "node");
    world.admin.post("/api/v1/namespaces/a/pods", &pod("e058")).is(&[201], "pod");
    let refused = |path: &str, address: &str| {
        let answer = world.admin.get(path).is(&[400], address);
        assert!(answer.text().contains("address not allowed"), "{address}: {}", answer.text());
    };
    for address in
        ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0", "fe80::1", "224.0.0.1"]
    {
        let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": address}]}});
        world.admin.patch("merge", "/api/v1/nodes/a008/status", &status).is(&[200], address);
        refused("/api/v1/nodes/a008/proxy/", address);
        refused("/api/v1/nodes/https:a008:10250/proxy/", address);
    }
    for address in ["127.0.0.1", "169.254.169.254", "::1", "fe80::1"] {
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
        world.admin.patch("merge", "/api/v1/namespaces/a/pods/e058/status", &status).is(&[200], address);
        refused("/api/v1/namespaces/a/pods/http:e058:80/proxy/latest/meta-data", address);
    }
}
