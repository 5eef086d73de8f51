//! Turns with upstream's server: what one writes the other reads, changes, lists, watches and deletes, for objects
//! of every kind, sealed or not.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use portcullis_storage::{Etcd, EtcdOptions, Range, Store as _};
use serde_json::{Value, json};

use crate::kms_plugin::Plugin;
use crate::members::{Cluster, binaries};
use crate::upstream::Upstream;
use crate::wire::Client;
use crate::world::{Server, make_namespace};

/// The smallest object of every kind: group, version, resource, body.
const MINIMAL: &str = include_str!("../../src/schema/tests/data/minimal.tsv");

/// Somebody to ask, with a name for failures.
#[derive(Clone, Copy)]
struct Side<'s>(&'static str, &'s Client);

/// One object's way through both servers.
struct Turn<'s> {
    writer: Side<'s>,
    other: Side<'s>,
    collection: String,
    object: Value,
}

impl Turn<'_> {
    fn path(&self) -> String {
        format!("{}/{}", self.collection, self.object["metadata"]["name"].as_str().unwrap())
    }

    fn said(&self, what: &str) -> String {
        format!("{} -> {}: {what} {}", self.writer.0, self.other.0, self.path())
    }

    /// Creates by one, changes by both in turn, deletes by the other; both must show the same at every step.
    fn run(&self) {
        let made = self.writer.1.post(&self.collection, &self.object).is(&[201], self.said("create")).tree();
        let first = revision(&made);
        // Whoever sets conditions may come between a look and a write.
        self.until("update", || {
            let mut changed = self.same("created");
            changed["metadata"]["annotations"]["turn"] = "other".into();
            let put = self.other.1.put(&self.path(), &changed).is(&[200, 409], self.said("update"));
            (put.code == 200).then_some(())
        });
        let seen = self.same("updated");
        assert_eq!(seen["metadata"]["annotations"]["turn"], "other");
        let label = json!({ "metadata": { "labels": { "turn": "writer" } } });
        self.writer.1.patch("merge", &self.path(), &label).is(&[200], self.said("patch"));
        let seen = self.same("patched");
        assert_eq!(seen["metadata"]["labels"]["turn"], "writer");
        if self.collection != "/api/v1/namespaces" {
            self.other.1.delete(&self.path()).is(&[200, 202], self.said("delete"));
            self.let_go();
            self.same_events(first);
        }
    }

    /// What both show of the object, alone and in a list.
    #[track_caller]
    fn same(&self, step: &str) -> Value {
        // Others may write too, such as who sets conditions; so ask until both show one version.
        let (one, two) = self.until(step, || {
            let [one, two] = [self.writer, self.other]
                .map(|side| side.1.get(&self.path()).is(&[200], self.said(step)).tree());
            (one["metadata"]["resourceVersion"] == two["metadata"]["resourceVersion"]).then_some((one, two))
        });
        assert_eq!(one, two, "{}", self.said(step));
        let at = one["metadata"]["resourceVersion"].as_str().unwrap();
        let [listed, also] = [self.writer, self.other].map(|side| self.listed(side, at));
        assert_eq!(listed, also, "{}", self.said("list"));
        one
    }

    /// The object in a list as of a revision.
    fn listed(&self, side: Side<'_>, at: &str) -> Option<Value> {
        let query = format!("{}?resourceVersion={at}&resourceVersionMatch=Exact", self.collection);
        let list = side.1.get(&query).is(&[200], self.said("list")).tree();
        let name = &self.object["metadata"]["name"];
        list["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == *name).cloned()
    }

    /// Takes away finalizers that a controller would remove, until nobody shows the object.
    fn let_go(&self) {
        self.until("deletion", || {
            let gone = [self.writer, self.other].map(|side| side.1.get(&self.path()).code == 404);
            if gone != [true, true] {
                let none = json!({ "metadata": { "finalizers": null } });
                self.other
                    .1
                    .patch("merge", &self.path(), &none)
                    .is(&[200, 404, 409], self.said("finalizers"));
            }
            (gone == [true, true]).then_some(())
        });
    }

    /// Both tell the same history of the object.
    fn same_events(&self, first: u64) {
        let [one, two] = [self.writer, self.other].map(|side| self.events(side, first));
        assert_eq!(one, two, "{}", self.said("watch"));
        let types: Vec<&str> = one.iter().filter_map(|event| event["type"].as_str()).collect();
        assert!(types.len() >= 4 && types[0] == "ADDED", "{}: {types:?}", self.said("watch"));
    }

    fn events(&self, side: Side<'_>, first: u64) -> Vec<Value> {
        let name = self.object["metadata"]["name"].as_str().unwrap();
        let path = format!(
            "{}?watch=1&resourceVersion={}&fieldSelector=metadata.name={name}&timeoutSeconds=60",
            self.collection,
            first - 1
        );
        let mut stream = side.1.open().unwrap();
        stream.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let mut bytes = stream.until(b"\"type\":\"DELETED\"");
        if !bytes.ends_with(b"\n\r\n") {
            bytes.extend(stream.until(b"\n\r\n"));
        }
        crate::wire::Answer::parse(&bytes)
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[track_caller]
    fn until<T>(&self, step: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.said(step));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// A turn of every kind.
fn turns<'s>(writer: Side<'s>, other: Side<'s>, namespace: &str) -> Vec<Turn<'s>> {
    let row = |line: &str| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let [group, version, resource, body] = std::array::from_fn(|_| parts.next().unwrap());
        let base = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/{version}") };
        let known = writer.1.get(&base).is(&[200], &base).tree();
        let known = known["resources"].as_array().unwrap();
        let about = known.iter().find(|about| about["name"] == *resource).unwrap();
        let mut object: Value = serde_json::from_str(&body.replace("{ns}", namespace)).unwrap();
        object["apiVersion"] = base.trim_start_matches("/apis/").trim_start_matches("/api/").into();
        object["kind"] = about["kind"].clone();
        if resource == "priorityclasses" {
            // As somebody once wrote it; Go reads names of members in any case, and so do both servers.
            object["value"] = object["Value"].take();
        }
        if resource == "namespaces" {
            object["metadata"]["name"] = format!("made-by-{}", writer.0).into();
        }
        let place =
            if about["namespaced"] == true { format!("namespaces/{namespace}/") } else { String::new() };
        Turn { writer, other, collection: format!("{base}/{place}{resource}"), object }
    };
    MINIMAL.lines().filter(|line| !line.is_empty()).map(row).collect()
}

fn start(etcd: &Cluster, flags: &[&str]) -> Server {
    let urls = etcd.endpoints().join(",");
    Server::start(&[&["--etcd-servers", &urls], flags].concat())
}

#[test]
fn every_kind_goes_through_both_servers_unchanged() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let ours = start(&etcd, &[]);
        let Some(upstream) = Upstream::start(&etcd, &ours, &[]) else { return };
        let (here, there) = (Side("ours", &ours.admin), Side("upstream", &upstream.admin));
        for (writer, other) in [(there, here), (here, there)] {
            make_namespace(writer.1, writer.0);
            turns(writer, other, writer.0).iter().for_each(Turn::run);
        }
        assert!(!ours.log().contains("cannot be opened"), "{}", ours.log());
        what_each_made_at_start_is_the_same(here, there);
    }
}

/// Both list the same objects of every kind; what is renewed all the time is left out.
fn what_each_made_at_start_is_the_same(here: Side<'_>, there: Side<'_>) {
    for turn in turns(here, there, "kube-system").iter().filter(|turn| !turn.collection.ends_with("/leases"))
    {
        let begun = Instant::now();
        loop {
            let [one, two] = [here, there].map(|side| side.1.get(&turn.collection).is(&[200], "list").tree());
            if one["items"] == two["items"] {
                break;
            }
            // Somebody may have written between the two.
            assert!(begun.elapsed() < Duration::from_secs(30), "{}: {one} and {two}", turn.collection);
        }
    }
}

#[test]
fn custom_objects_of_the_one_are_served_by_the_other() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let ours = start(&etcd, &[]);
        let Some(upstream) = Upstream::start(&etcd, &ours, &[]) else { return };
        let (here, there) = (Side("ours", &ours.admin), Side("upstream", &upstream.admin));
        for (writer, other) in [(there, here), (here, there)] {
            let group = format!("{}.example.com", writer.0);
            let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            writer.1.post(definitions, &definition(&group)).is(&[201], "definition");
            make_namespace(writer.1, writer.0);
            let collection = format!("/apis/{group}/v1/namespaces/{}/pandas", writer.0);
            for side in [writer, other] {
                let begun = Instant::now();
                while side.1.get(&collection).code != 200 {
                    assert!(begun.elapsed() < Duration::from_secs(60), "{} serves no pandas", side.0);
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            let object = json!({
                "apiVersion": format!("{group}/v1"), "kind": "Panda", "metadata": { "name": "a" },
                "spec": { "size": 3, "gone": 1 },
            });
            Turn { writer, other, collection, object }.run();
            let name = format!("{definitions}/pandas.{group}");
            let [one, two] = [here, there].map(|side| side.1.get(&name).is(&[200], "definition").tree());
            assert_eq!(one, two);
        }
    }
}

fn definition(group: &str) -> Value {
    let spec = json!({ "type": "object", "properties": {
        "size": { "type": "integer", "maximum": 10 }, "mood": { "type": "string", "default": "calm" },
    } });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("pandas.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": "pandas", "singular": "panda", "kind": "Panda", "listKind": "PandaList" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "additionalPrinterColumns": [{ "name": "Size", "type": "integer", "jsonPath": ".spec.size" }],
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            }],
        },
    })
}

const COUNTER: &str = "/api/v1/namespaces/default/configmaps/counter";

/// Adds one; false if somebody else was faster.
fn add(client: &Client) -> bool {
    let mut object = client.get(COUNTER).is(&[200], "the counter").tree();
    let count: u64 = object["data"]["count"].as_str().unwrap().parse().unwrap();
    object["data"]["count"] = (count + 1).to_string().into();
    client.put(COUNTER, &object).is(&[200, 409], "the update").code == 200
}

#[test]
fn no_update_is_lost_between_upstream_and_ours() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let ours = start(&etcd, &[]);
        let Some(upstream) = Upstream::start(&etcd, &ours, &[]) else { return };
        let map = json!({ "metadata": { "name": "counter" }, "data": { "count": "0" } });
        let made = ours.admin.post("/api/v1/namespaces/default/configmaps", &map).is(&[201], "the counter");
        std::thread::scope(|scope| {
            for client in [&ours.admin, &upstream.admin, &ours.admin, &upstream.admin] {
                scope.spawn(move || {
                    let mut done = 0;
                    while done < 15 {
                        done += usize::from(add(client));
                    }
                });
            }
        });
        let object = made.tree();
        let first = revision(&object);
        let (writer, other) = (Side("ours", &ours.admin), Side("upstream", &upstream.admin));
        let collection = "/api/v1/namespaces/default/configmaps".to_owned();
        let turn = Turn { writer, other, collection, object };
        assert_eq!(turn.same("counted")["data"]["count"], "60");
        ours.admin.delete(COUNTER).is(&[200], "delete");
        turn.same_events(first);
        let counts = turn
            .events(writer, first)
            .iter()
            .filter_map(|event| event["object"]["data"]["count"].as_str()?.parse::<u64>().ok())
            .collect::<Vec<_>>();
        assert!(counts.iter().copied().eq((0..=60).chain([60])), "every count once, in order: {counts:?}");
    }
}

#[test]
fn addresses_are_given_out_once_by_both_and_ports_of_nodes_in_turns() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let range = ["--service-node-port-range", "30000-30019"];
        let ours = start(&etcd, &range);
        let services = "/api/v1/namespaces/default/services";
        let create = |client: &Client, name: String, kind: &str| {
            let service =
                json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": [{ "port": 80 }] } });
            let made = client.post(services, &service).is(&[201], &name).tree();
            let port = made["spec"]["ports"][0]["nodePort"].as_u64();
            (made["spec"]["clusterIP"].as_str().unwrap().to_owned(), port)
        };
        // Ours first; upstream's reads at its start what is taken. As many as there are ports.
        let mut given: Vec<_> =
            (0..10).map(|n| create(&ours.admin, format!("ours{n}"), "NodePort")).collect();
        let Some(upstream) = Upstream::start(&etcd, &ours, &[&range.join("=")]) else { return };
        given.extend((0..5).map(|n| create(&upstream.admin, format!("theirs{n}"), "NodePort")));
        given.extend((0..5).map(|n| create(&ours.admin, format!("more{n}"), "NodePort")));
        let ports: HashSet<_> = given.iter().map(|(_, port)| port.unwrap()).collect();
        assert_eq!(ports.len(), 20);
        // Both at the same time.
        let together: Vec<_> = std::thread::scope(|scope| {
            let each = [
                ("here", &ours.admin),
                ("there", &upstream.admin),
                ("too", &ours.admin),
                ("also", &upstream.admin),
            ];
            let each: Vec<_> = each
                .into_iter()
                .map(|(name, client)| {
                    let all = (0..10).map(move |n| create(client, format!("{name}{n}"), "ClusterIP"));
                    scope.spawn(move || all.collect::<Vec<_>>())
                })
                .collect();
            each.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let addresses: HashSet<_> = given.iter().chain(&together).map(|(address, _)| address).collect();
        assert_eq!(addresses.len(), 60);
        // What the one gave out the other gives back.
        upstream.admin.delete(&format!("{services}/ours0")).is(&[200], "delete");
        ours.admin.delete(&format!("{services}/here0")).is(&[200], "delete");
        let path = format!("/apis/networking.k8s.io/v1/ipaddresses/{}", together[0].0);
        assert_eq!(upstream.admin.get(&path).code, 404);
    }
}

/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_either_sealed_the_other_opens() {
    for binary in binaries().into_iter().take(1) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("kms.sock");
        let _plugin = Plugin::start(&socket);
        let kms = format!("{{apiVersion: v2, name: vault, endpoint: 'unix://{}'}}", socket.display());
        for scheme in ["aescbc", "aesgcm", "secretbox", "kms"] {
            let keys = format!("{{keys: [{{name: key1, secret: {KEY}}}]}}");
            let provider = if scheme == "kms" { &kms } else { &keys };
            let config = format!(
                "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
                 - resources: [secrets, configmaps]\n  providers: [{{{scheme}: {provider}}}, {{identity: {{}}}}]\n"
            );
            let file = folder.path().join("encryption.yaml");
            std::fs::write(&file, config).unwrap();
            let etcd = Cluster::start(&binary, 1, &[]);
            tokio::task::block_in_place(|| sealed_turns(&etcd, file.to_str().unwrap()));
            all_are_sealed(&etcd, scheme).await;
        }
    }
}

fn sealed_turns(etcd: &Cluster, file: &str) {
    let ours = start(etcd, &["--encryption-provider-config", file]);
    let flag = format!("--encryption-provider-config={file}");
    let Some(upstream) = Upstream::start(etcd, &ours, &[&flag]) else { return };
    let (here, there) = (Side("ours", &ours.admin), Side("upstream", &upstream.admin));
    for (writer, other) in [(there, here), (here, there)] {
        make_namespace(writer.1, writer.0);
        let sealed =
            |turn: &&Turn<'_>| ["/secrets", "/configmaps"].iter().any(|end| turn.collection.ends_with(end));
        turns(writer, other, writer.0).iter().filter(sealed).for_each(Turn::run);
        let kept = json!({ "metadata": { "name": "kept" }, "data": { "a": "dG9wLXNlY3JldC1jYW5hcnk=" } });
        let secrets = format!("/api/v1/namespaces/{}/secrets", writer.0);
        let made = writer.1.post(&secrets, &kept).is(&[201], "secret").tree();
        assert_eq!(other.1.get(&format!("{secrets}/kept")).is(&[200], "secret").tree(), made);
    }
    assert!(!ours.log().contains("cannot be opened"), "{}", ours.log());
}

/// Nothing of the sealed kinds lies open in etcd.
async fn all_are_sealed(etcd: &Cluster, scheme: &str) {
    if crate::upstream::binary().is_none() {
        return;
    }
    let store = Etcd::connect(EtcdOptions::new(etcd.endpoints())).await.unwrap();
    for (prefix, least) in [("/registry/secrets/", 2), ("/registry/configmaps/", 1)] {
        let found = store.range(Range::prefix(prefix)).await.unwrap().kvs;
        assert!(found.len() >= least, "{prefix}: {}", found.len());
        let open = found.iter().find(|kv| !kv.value.starts_with(format!("k8s:enc:{scheme}:v").as_bytes()));
        assert!(open.is_none(), "{scheme}: {:?}", open.map(|kv| &kv.key));
    }
}
