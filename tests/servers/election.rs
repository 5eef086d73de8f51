//! What must run once among several servers does, and goes on elsewhere when its process is killed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::members::{Cluster, binaries};
use crate::together::share;
use crate::wire::Client;
use crate::world::Server;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager";
/// Longer than a lease lasts.
const PATIENCE: Duration = Duration::from_secs(90);

fn up(etcd: &Cluster, dir: PathBuf, number: usize) -> Server {
    let (urls, address) = (etcd.endpoints().join(","), format!("10.9.0.{number}"));
    let flags =
        ["--etcd-servers", &urls, "--advertise-address", &address, "--no-kubeconfig", "--log-level", "info"];
    Server::start_as("up", dir, &flags)
}

fn holder(client: &Client) -> String {
    let lease = client.get(LEASE).tree();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Whether a server's log says that the controllers run there under this name.
fn runs(server: &Server, holder: &str) -> bool {
    let entry = |line: &str| serde_json::from_str::<Value>(line).ok();
    server.log().lines().filter_map(entry).any(|entry| {
        entry["fields"]["message"] == "Controllers run here" && entry["fields"]["holder"] == holder
    })
}

#[track_caller]
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The work of a controller is done: a namespace has its service account.
#[track_caller]
fn controllers_work(client: &Client, namespace: &str) {
    let body = json!({ "metadata": { "name": namespace } });
    client.post("/api/v1/namespaces", &body).is(&[201], namespace);
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    wait("no service account is made", || (client.get(&account).code == 200).then_some(()));
}

#[test]
fn controllers_run_once_and_go_on_elsewhere_when_their_process_is_killed() {
    for binary in binaries().into_iter().take(1) {
        let etcd = Cluster::start(&binary, 1, &[]);
        let dir = |name: &str| tempfile::Builder::new().prefix(name).tempdir().unwrap().keep();
        let first = up(&etcd, dir("portcullis-first-"), 1);
        let beside = dir("portcullis-second-");
        share(&first.data(), &beside.join("data"));
        let second = up(&etcd, beside, 2);

        let leader = wait("nobody leads", || Some(holder(&first.admin)).filter(|holder| !holder.is_empty()));
        controllers_work(&second.admin, "one");
        assert_eq!(holder(&second.admin), leader, "it stays where it is");
        let (dies, stays) = if runs(&first, &leader) { (first, second) } else { (second, first) };
        assert!(runs(&dies, &leader));
        assert!(!stays.log().contains("Controllers run here"), "they run once");
        let transitions = stays.admin.get(LEASE).tree()["spec"]["leaseTransitions"].as_u64().unwrap();

        let dir = dies.kill();
        controllers_work(&stays.admin, "two");
        let next = holder(&stays.admin);
        assert!(next != leader && runs(&stays, &next), "{next} after {leader}");
        let lease = stays.admin.get(LEASE).tree();
        assert_eq!(lease["spec"]["leaseTransitions"], transitions + 1);

        // Told to stop, it gives the lease up, so that the next need not wait for its end.
        let again = up(&etcd, dir, 1);
        let dir = stays.stop_for_restart();
        let last =
            wait("nobody follows", || Some(holder(&again.admin)).filter(|holder| runs(&again, holder)));
        assert_ne!(last, next);
        controllers_work(&again.admin, "three");
        let _ = std::fs::remove_dir_all(dir);
    }
}
