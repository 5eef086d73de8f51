//! An operator as people write them, in protobuf throughout: it keeps a mirror of every ConfigMap that is
//! labelled as a source, while others write, its watches are cut, the server is killed and started again, and
//! is then restored from a backup, which knows no older versions. In the end its cache is what a JSON list says.
//!
//! `OPERATOR_KUBECONFIG` lets it work against another server, upstream's for example, which is then
//! neither restarted nor restored.

mod reflector;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use nix::sys::signal::Signal;
use portcullis_client::{Next, Queue};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::program::{Home, Server};
use reflector::{Fill, Reflector};
use wire::{ConfigMap, Enveloped as _, ObjectMeta, PROTOBUF, of_json};

const SOURCES: &str = "/api/v1/namespaces/sources/configmaps";
const SELECTED: &str = "labelSelector=role%3Dsource";
const MIRRORS: &str = "/api/v1/namespaces/mirrors/configmaps";
const SETTLED: Duration = Duration::from_secs(60);

/// The operator and what it knows.
struct Operator {
    client: watch::Receiver<Client>,
    sources: Arc<Reflector>,
    mirrors: Arc<Reflector>,
    queue: Arc<Queue<String>>,
}

impl Operator {
    fn start(client: watch::Receiver<Client>, gate: watch::Receiver<bool>) -> Arc<Self> {
        let queue = Queue::new();
        let follow = |collection: &str, fill| {
            Reflector::new(client.clone(), collection, fill, gate.clone(), queue.clone())
        };
        let sources = follow(&format!("{SOURCES}?{SELECTED}"), Fill::Pages);
        let mirrors = follow(MIRRORS, Fill::Stream);
        let operator = Arc::new(Self { client: client.clone(), sources, mirrors, queue });
        tokio::spawn(operator.sources.clone().run());
        tokio::spawn(operator.mirrors.clone().run());
        tokio::spawn(operator.clone().work());
        operator
    }

    async fn work(self: Arc<Self>) {
        let look = |name: String| {
            let operator = self.clone();
            async move { operator.reconcile(&name).await.map(|()| Next::Settled) }
        };
        self.queue.work(4, look).await;
    }

    /// Makes the mirror what the source says. What the cache does not show yet is tried again.
    async fn reconcile(&self, name: &str) -> Result<(), Refused> {
        let object = format!("{MIRRORS}/{name}");
        match (self.sources.get(name), self.mirrors.get(name)) {
            (Some(source), None) => self.write("POST", MIRRORS, Some(mirror_of(&source, ""))).await,
            (Some(source), Some(mirror)) if source.data != mirror.data => {
                let wanted = mirror_of(&source, &mirror.metadata.resource_version);
                self.write("PUT", &object, Some(wanted)).await
            }
            (None, Some(_)) => match self.write("DELETE", &object, None).await {
                Err(Refused(404)) => Ok(()),
                outcome => outcome,
            },
            _ => Ok(()),
        }
    }

    async fn write(&self, method: &str, path: &str, object: Option<ConfigMap>) -> Result<(), Refused> {
        let body = object.map(|object| object.closed()).unwrap_or_default();
        let client = self.client.borrow().clone();
        send(&client, method, path, PROTOBUF, body).await.map(drop)
    }
}

/// The status a write was refused with; 0 without an answer.
#[derive(Debug)]
struct Refused(u16);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}", self.0)
    }
}

impl std::error::Error for Refused {}

fn mirror_of(source: &ConfigMap, version: &str) -> ConfigMap {
    let metadata = ObjectMeta {
        name: source.metadata.name.clone(),
        namespace: "mirrors".to_owned(),
        resource_version: version.to_owned(),
        annotations: BTreeMap::from([("mirror-of".to_owned(), source.metadata.uid.clone())]),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: source.data.clone(), ..ConfigMap::default() }
}

async fn send(
    client: &Client,
    method: &str,
    path: &str,
    media: &str,
    body: Vec<u8>,
) -> Result<Vec<u8>, Refused> {
    let accept = if media == PROTOBUF { PROTOBUF } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("accept", accept);
    let request = match body.is_empty() {
        true => request.body(Body::empty()),
        false => request.header("content-type", media).body(body.into()),
    };
    let response = client.send(request.unwrap()).await.map_err(|_| Refused(0))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|_| Refused(0))?.to_bytes();
    if status.is_success() { Ok(body.to_vec()) } else { Err(Refused(status.as_u16())) }
}

/// Whoever else writes, in JSON.
struct Others {
    client: watch::Receiver<Client>,
    dice: u64,
}

impl Others {
    async fn send(&self, method: &str, path: &str, media: &str, tree: Value) -> Result<Value, Refused> {
        let body = if tree.is_null() { Vec::new() } else { tree.to_string().into_bytes() };
        let client = self.client.borrow().clone();
        let answer = send(&client, method, path, media, body).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    /// A number below a bound, from a fixed sequence.
    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % below
    }

    /// Changes this and that. What is refused, because it is there or gone, is refused.
    async fn churn(&mut self, rounds: usize) {
        for round in 0..rounds {
            let name = format!("source-{}", self.roll(40));
            let object = format!("{SOURCES}/{name}");
            let merge = "application/merge-patch+json";
            let outcome = match self.roll(8) {
                0..3 => self.send("POST", SOURCES, "application/json", source(&name, round)).await,
                3 => self.send("DELETE", &object, "", Value::Null).await,
                4 => {
                    let role = if self.roll(2) == 0 { json!("source") } else { Value::Null };
                    let patch = json!({ "metadata": { "labels": { "role": role } } });
                    self.send("PATCH", &object, merge, patch).await
                }
                _ => {
                    let patch = json!({ "data": { "round": round.to_string() } });
                    self.send("PATCH", &object, merge, patch).await
                }
            };
            assert!(matches!(outcome, Ok(_) | Err(Refused(404 | 409))), "{outcome:?}");
        }
    }

    /// The collection as JSON tells it.
    async fn list(&self, collection: &str) -> (BTreeMap<String, ConfigMap>, u64) {
        let list = self.send("GET", collection, "", Value::Null).await.unwrap();
        let items = list["items"].as_array().unwrap().iter().map(of_json);
        let version = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        (items.map(|item| (item.metadata.name.clone(), item)).collect(), version)
    }
}

fn source(name: &str, round: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "labels": { "role": "source" }, "annotations": { "made-in": round.to_string() } },
        "data": { "round": round.to_string(), "lines": "one\ntwo\n", "letters": "äöü 🦀" },
        "binaryData": { "bytes": "AAEC/w==" },
    })
}

async fn client(kubeconfig: &Path) -> Client {
    portcullis_client::kubeconfig(kubeconfig, None).await.unwrap()
}

/// Waits until the operator has nothing left to do, and proves that its caches are what is stored.
async fn settled(operator: &Operator, others: &Others) {
    let begun = Instant::now();
    loop {
        let (sources, at) = others.list(&format!("{SOURCES}?{SELECTED}")).await;
        let (mirrors, mirrors_at) = others.list(MIRRORS).await;
        let cached = (operator.sources.all(), operator.mirrors.all());
        let data = |all: &BTreeMap<String, ConfigMap>| -> BTreeMap<_, _> {
            all.iter().map(|(name, one)| (name.clone(), one.data.clone())).collect()
        };
        if cached == (sources.clone(), mirrors.clone()) && data(&sources) == data(&mirrors) {
            assert!(!sources.is_empty());
            return;
        }
        let (known, known_mirrors) = (&cached.0, &cached.1);
        assert!(
            begun.elapsed() < SETTLED,
            "at {at} and {mirrors_at}; reached {} and {}\nsources {sources:?}\nknown {known:?}\nmirrors {mirrors:?}\nknown {known_mirrors:?}",
            operator.sources.reached(),
            operator.mirrors.reached(),
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The server it works against: one of our own, or whose kubeconfig was given.
enum Subject {
    Ours { home: Home, server: Option<Server>, port: String },
    Given,
}

impl Subject {
    async fn begin() -> (Self, Client) {
        if let Some(kubeconfig) = std::env::var_os("OPERATOR_KUBECONFIG") {
            return (Self::Given, client(Path::new(&kubeconfig)).await);
        }
        let home = Home::new();
        let server = home.serve(&["apiserver"]);
        let client = client(&server.admin_kubeconfig()).await;
        let port = server.port().to_owned();
        (Self::Ours { home, server: Some(server), port }, client)
    }

    /// Kills the server and starts it again where it was.
    async fn restart(&mut self, clients: &watch::Sender<Client>) {
        let Self::Ours { home, server, port } = self else { return };
        server.take().unwrap().stop(Signal::SIGKILL);
        let next = home.serve_at(port, &["apiserver"]);
        clients.send_replace(client(&next.admin_kubeconfig()).await);
        *server = Some(next);
    }

    /// Puts a restored backup in the server's place.
    async fn restore(&mut self, clients: &watch::Sender<Client>) {
        let Self::Ours { home, server, port } = self else { return };
        let (data, backup, fresh) = (home.data_dir(), home.path().join("backup"), home.path().join("fresh"));
        home.told_of_data(&["store", "backup", "--to", backup.to_str().unwrap()]);
        server.take().unwrap().stop(Signal::SIGKILL);
        let [from, to] = [&backup, &fresh].map(|path| path.to_str().unwrap());
        home.told(&["store", "restore", "--from", from, "--data-dir", to]);
        for kept in ["encryption.key", "pki"] {
            std::fs::rename(data.join(kept), fresh.join(kept)).unwrap();
        }
        std::fs::rename(&data, home.path().join("old")).unwrap();
        std::fs::rename(&fresh, &data).unwrap();
        let next = home.serve_at(port, &["apiserver"]);
        clients.send_replace(client(&next.admin_kubeconfig()).await);
        *server = Some(next);
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { .. })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_in_protobuf_never_loses_the_thread() {
    let (mut subject, first) = Subject::begin().await;
    let (clients, client) = watch::channel(first);
    let (gate, gated) = watch::channel(true);
    let mut others = Others { client: client.clone(), dice: 41 };
    for name in ["sources", "mirrors"] {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        others.send("POST", "/api/v1/namespaces", "application/json", namespace).await.unwrap();
    }
    others.churn(60).await;
    let operator = Operator::start(client, gated);
    others.churn(150).await;
    settled(&operator, &others).await;

    // Cut while others write: what was missed is caught up with, without a new list.
    let fills = operator.sources.tally.fills.load(Ordering::Relaxed);
    gate.send_replace(false);
    others.churn(50).await;
    gate.send_replace(true);
    settled(&operator, &others).await;
    assert_eq!(operator.sources.tally.fills.load(Ordering::Relaxed), fills);

    subject.restart(&clients).await;
    others.churn(100).await;
    settled(&operator, &others).await;

    // Away while all that is older is forgotten: 410, and a list.
    gate.send_replace(false);
    others.churn(50).await;
    subject.restore(&clients).await;
    others.churn(20).await;
    gate.send_replace(true);
    settled(&operator, &others).await;
    let expired = operator.sources.tally.expired.load(Ordering::Relaxed);
    assert!(expired > 0 || !subject.is_ours(), "{:?}", operator.sources.tally);

    let bookmarks = || operator.sources.tally.bookmarks.load(Ordering::Relaxed);
    let begun = Instant::now();
    while bookmarks() == 0 {
        assert!(begun.elapsed() < SETTLED, "{:?}", operator.sources.tally);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(operator.sources.faults(), [""; 0]);
    assert_eq!(operator.mirrors.faults(), [""; 0]);
}
