//! Several servers on one etcd. Without an etcd on the PATH these tests say so and pass.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::members::{Cluster, binaries};
use crate::wire::Client;
use crate::world::Server;

const COUNTER: &str = "/api/v1/namespaces/default/configmaps/counter";

/// Servers on one etcd with the same keys, the second one's address being the next.
pub(crate) fn servers(etcd: &Cluster, count: usize) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for number in 1..=count {
        let dir = tempfile::Builder::new().prefix("portcullis-servers-").tempdir().unwrap().keep();
        if let Some(first) = servers.first() {
            share(&first.data(), &dir.join("data"));
        }
        servers
            .push(Server::start_in(dir, &flags(etcd, number).iter().map(String::as_str).collect::<Vec<_>>()));
    }
    servers
}

pub(crate) fn flags(etcd: &Cluster, number: usize) -> Vec<String> {
    let address = format!("10.9.0.{number}");
    let urls = etcd.endpoints().join(",");
    ["--etcd-servers", &urls, "--advertise-address", &address, "--service-node-port-range", "30000-30029"]
        .map(str::to_owned)
        .to_vec()
}

/// Servers side by side have the authorities and the keys of tokens in common.
pub(crate) fn share(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let copied = std::process::Command::new("cp").args(["-a"]).arg(from.join("pki")).arg(to).status();
    assert!(copied.unwrap().success());
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
}

fn counter(client: &Client) -> (Value, u64) {
    let object = client.get(COUNTER).is(&[200], "the counter").tree();
    let count = object["data"]["count"].as_str().unwrap().parse().unwrap();
    (object, count)
}

/// Adds one; false if somebody else was faster.
fn add(client: &Client) -> Option<u64> {
    let (mut object, count) = counter(client);
    object["data"]["count"] = (count + 1).to_string().into();
    (client.put(COUNTER, &object).is(&[200, 409], "the update").code == 200).then_some(count + 1)
}

#[test]
fn no_update_is_lost_between_servers_and_a_write_is_seen_by_all_at_once() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let servers = servers(&etcd, 2);
        let map = json!({ "metadata": { "name": "counter" }, "data": { "count": "0" } });
        servers[0].admin.post("/api/v1/namespaces/default/configmaps", &map).is(&[201], "the counter");
        std::thread::scope(|scope| {
            for (at, server) in servers.iter().enumerate() {
                for _ in 0..2 {
                    let other = &servers[1 - at].admin;
                    scope.spawn(move || {
                        let mut done = 0;
                        while done < 20 {
                            let Some(written) = add(&server.admin) else { continue };
                            done += 1;
                            let seen = counter(other).1;
                            assert!(seen >= written, "the other server shows {seen} after {written}");
                        }
                    });
                }
            }
        });
        assert_eq!(counter(&servers[1].admin).1, 80);
    }
}

#[test]
fn addresses_and_ports_of_services_are_given_out_once() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let servers = servers(&etcd, 2);
        let create = |client: &Client, name: String| {
            let spec = json!({ "type": "NodePort", "ports": [{ "port": 80 }] });
            let service = json!({ "metadata": { "name": name }, "spec": spec });
            let made = client.post("/api/v1/namespaces/default/services", &service).is(&[201], &name).tree();
            let port = made["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
            (made["spec"]["clusterIP"].as_str().unwrap().to_owned(), port)
        };
        // As many as there are ports.
        let given: Vec<(String, u64)> = std::thread::scope(|scope| {
            let all = (0..6).map(|thread| {
                let (client, create) = (&servers[thread % 2].admin, &create);
                scope.spawn(move || {
                    (0..5).map(|n| create(client, format!("s{thread}-{n}"))).collect::<Vec<_>>()
                })
            });
            let all: Vec<_> = all.collect();
            all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let (addresses, ports): (HashSet<_>, HashSet<_>) = given.into_iter().unzip();
        assert_eq!((addresses.len(), ports.len()), (30, 30));
        // What one server gives back another can give out.
        servers[0].admin.delete("/api/v1/namespaces/default/services/s0-0").is(&[200], "delete");
        create(&servers[1].admin, "again".to_owned());
    }
}

fn endpoints(client: &Client) -> Vec<String> {
    let found = client.get("/api/v1/namespaces/default/endpoints/kubernetes").tree();
    let listed = found["subsets"][0]["addresses"].as_array().cloned().unwrap_or_default();
    listed.iter().filter_map(|address| Some(address["ip"].as_str()?.to_owned())).collect()
}

#[track_caller]
fn wait_for_endpoints(client: &Client, wanted: &[&str]) {
    let begun = Instant::now();
    while endpoints(client) != wanted {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?} is not {wanted:?}", endpoints(client));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_kubernetes_endpoints_are_all_servers_that_are_there() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let mut servers = servers(&etcd, 2);
        wait_for_endpoints(&servers[0].admin, &["10.9.0.1", "10.9.0.2"]);
        wait_for_endpoints(&servers[1].admin, &["10.9.0.1", "10.9.0.2"]);
        let second = servers.pop().unwrap();
        let dir = second.stop_for_restart();
        // It took itself out: its record would have lasted longer.
        assert_eq!(endpoints(&servers[0].admin), ["10.9.0.1"]);
        let _ = std::fs::remove_dir_all(dir);
    }
}
