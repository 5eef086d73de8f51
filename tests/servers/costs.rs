//! What requests cost etcd, by etcd's own account of its calls.

use serde_json::json;

use crate::members::{Cluster, binaries};
use crate::world::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Requests of each kind.
const COUNT: u64 = 40;
/// What the server does by itself meanwhile: leases are renewed, the outbox is drained.
const BESIDE: u64 = 15;

/// Calls of etcd by method while something is done `COUNT` times.
#[track_caller]
fn costs(etcd: &Cluster, what: &str, ranges: u64, transactions: u64, mut ask: impl FnMut(u64)) {
    let calls = || ["Range", "Txn", "Put", "DeleteRange"].map(|method| etcd.calls(method));
    let before = calls();
    (0..COUNT).for_each(&mut ask);
    let after = calls();
    let [range, txn, put, delete] = std::array::from_fn(|at| after[at] - before[at]);
    println!("{what}: {range} ranges and {txn} transactions for {COUNT}");
    assert!(range <= ranges * COUNT + BESIDE, "{what}: {range} ranges for {COUNT}");
    assert!(txn <= transactions * COUNT + BESIDE, "{what}: {txn} transactions for {COUNT}");
    assert_eq!((put, delete), (0, 0), "{what}: everything is guarded");
}

#[test]
fn a_read_asks_etcd_for_its_revision_and_a_write_for_one_transaction_beside() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let server = Server::start(&["--etcd-servers", &etcd.endpoints().join(",")]);
        let admin = &server.admin;
        let one = |n: u64| format!("{MAPS}/c{n}");
        costs(&etcd, "create", 1, 1, |n| {
            let body = json!({ "metadata": { "name": format!("c{n}") }, "data": { "a": "b" } });
            admin.post(MAPS, &body).is(&[201], "create");
        });
        costs(&etcd, "get", 1, 0, |n| drop(admin.get(&one(n)).is(&[200], "get")));
        costs(&etcd, "get of anything", 0, 0, |n| {
            admin.get(&format!("{}?resourceVersion=0", one(n))).is(&[200], "get");
        });
        costs(&etcd, "list", 1, 0, |_| drop(admin.get(MAPS).is(&[200], "list")));
        costs(&etcd, "page", 1, 0, |_| drop(admin.get(&format!("{MAPS}?limit=5")).is(&[200], "page")));
        let patch = json!({ "data": { "a": "c" } });
        costs(&etcd, "patch", 1, 1, |n| drop(admin.patch("merge", &one(n), &patch).is(&[200], "patch")));
        costs(&etcd, "delete", 1, 1, |n| drop(admin.delete(&one(n)).is(&[200], "delete")));
    }
}

#[test]
fn readers_at_the_same_time_share_a_question() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let server = Server::start(&["--etcd-servers", &etcd.endpoints().join(",")]);
        let before = etcd.calls("Range");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let admin = &server.admin;
                scope.spawn(move || (0..20).for_each(|_| drop(admin.get(MAPS).is(&[200], "list"))));
            }
        });
        let asked = etcd.calls("Range") - before;
        println!("{asked} ranges for 160 lists");
        assert!(asked <= 160 + BESIDE, "{asked}");
    }
}
