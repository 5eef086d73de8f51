//! One client that does a little of everything in a namespace of its own.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod, Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::follower::Follower;

/// Objects of a kind that a worker keeps.
const KEPT: usize = 100;
/// More failures say nothing new.
const TOLD: usize = 10;

/// What became of a worker's requests.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) failures: Vec<String>,
    by_kind: BTreeMap<&'static str, u64>,
}

/// A kind of work, and how often it is done beside the others.
const WORK: [(&str, u32); 11] = [
    ("create", 18),
    ("get", 20),
    ("replace", 14),
    ("patch", 12),
    ("apply", 8),
    ("list", 6),
    ("delete", 8),
    ("lease", 8),
    ("secret", 3),
    ("pod", 2),
    ("event", 1),
];

/// One client.
pub(super) struct Worker {
    client: Client,
    namespace: String,
    rng: StdRng,
    made: u64,
    names: VecDeque<String>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(client: Client, number: u32) -> Self {
        Self {
            client,
            namespace: format!("endure-{number}"),
            rng: StdRng::seed_from_u64(number.into()),
            made: 0,
            names: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Works until then, a request each `pause`.
    pub(super) async fn run(mut self, until: Instant, pause: Duration) -> Tally {
        self.settle().await;
        let follower = Follower::begin(self.client.clone(), &self.namespace);
        let mut clock = interval(pause);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < until && self.tally.failures.len() < TOLD {
            clock.tick().await;
            let work = self.choose();
            let outcome = self.perform(work).await;
            self.tally.count(work, outcome);
        }
        self.tally.failures.extend(follower.end().await);
        self.tally
    }

    /// A namespace, with the account that pods need.
    async fn settle(&self) {
        let namespace = json!({"metadata": {"name": self.namespace}});
        let all: Api<Namespace> = Api::all(self.client.clone());
        all.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        let accounts: Api<ServiceAccount> = self.api();
        while accounts.get_opt("default").await.unwrap().is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn choose(&mut self) -> &'static str {
        if self.names.len() >= KEPT {
            return "delete";
        }
        let all = WORK.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.random_range(0..all);
        for (work, weight) in WORK {
            if at < weight {
                return if self.names.is_empty() { "create" } else { work };
            }
            at -= weight;
        }
        unreachable!("the weights are summed")
    }

    async fn perform(&mut self, work: &'static str) -> kube::Result<()> {
        match work {
            "create" => self.create().await,
            "get" => self.maps().get(self.any()).await.map(drop),
            "replace" => self.replace().await,
            "patch" => self.patch().await,
            "apply" => self.apply().await,
            "list" => self.list().await,
            "delete" => self.delete().await,
            "lease" => self.lease().await,
            "secret" => self.secret().await,
            "pod" => self.pod().await,
            _ => self.event().await,
        }
    }

    async fn create(&mut self) -> kube::Result<()> {
        let name = self.fresh("map");
        let padding = "x".repeat(self.rng.random_range(1..2048));
        let map = json!({"metadata": {"name": name}, "data": {"padding": padding}});
        self.maps().create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await?;
        self.names.push_back(name);
        Ok(())
    }

    async fn replace(&mut self) -> kube::Result<()> {
        let name = self.any().to_owned();
        let mut map = self.maps().get(&name).await?;
        let turn = self.rng.random::<u32>().to_string();
        map.data.get_or_insert_default().insert("turn".to_owned(), turn);
        self.maps().replace(&name, &PostParams::default(), &map).await.map(drop)
    }

    async fn patch(&mut self) -> kube::Result<()> {
        let patch = json!({"metadata": {"labels": {"turn": self.rng.random::<u16>().to_string()}}});
        self.maps().patch(self.any(), &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }

    async fn apply(&mut self) -> kube::Result<()> {
        let name = self.any().to_owned();
        let data = json!({"applied": self.rng.random::<u16>().to_string()});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
        let parameters = PatchParams::apply("endure").force();
        self.maps().patch(&name, &parameters, &Patch::Apply(map)).await.map(drop)
    }

    /// All pages at one revision.
    async fn list(&mut self) -> kube::Result<()> {
        let mut parameters = ListParams::default().limit(40);
        loop {
            let page = self.maps().list(&parameters).await?;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => return Ok(()),
            }
        }
    }

    async fn delete(&mut self) -> kube::Result<()> {
        let Some(name) = self.names.pop_front() else { return Ok(()) };
        self.maps().delete(&name, &DeleteParams::default()).await.map(drop)
    }

    async fn lease(&mut self) -> kube::Result<()> {
        let spec = json!({"holderIdentity": "me", "leaseDurationSeconds": self.rng.random_range(10..60)});
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": spec});
        let leases: Api<Lease> = self.api();
        leases.patch("l", &PatchParams::apply("endure").force(), &Patch::Apply(lease)).await.map(drop)
    }

    async fn secret(&mut self) -> kube::Result<()> {
        let name = self.fresh("secret");
        let secret = json!({"metadata": {"name": name}, "stringData": {"word": "open sesame"}});
        let secrets: Api<Secret> = self.api();
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await?;
        secrets.delete(&name, &DeleteParams::default()).await.map(drop)
    }

    async fn pod(&mut self) -> kube::Result<()> {
        let name = self.fresh("pod");
        let spec = json!({"containers": [{"name": "main", "image": "busybox"}]});
        let pods: Api<Pod> = self.api();
        let pod = object(json!({"metadata": {"name": name}, "spec": spec}));
        pods.create(&PostParams::default(), &pod).await?;
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await.map(drop)
    }

    async fn event(&mut self) -> kube::Result<()> {
        let name = self.fresh("event");
        let about = json!({"kind": "ConfigMap", "namespace": self.namespace, "name": "any"});
        let events: Api<Event> = self.api();
        let event = object(json!({"metadata": {"name": name}, "involvedObject": about, "reason": "Endured"}));
        events.create(&PostParams::default(), &event).await.map(drop)
    }

    fn maps(&self) -> Api<ConfigMap> {
        self.api()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}", self.made)
    }

    fn any(&self) -> &str {
        let at = usize::try_from(self.made).unwrap() % self.names.len();
        &self.names[at]
    }
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

impl Tally {
    fn count(&mut self, work: &'static str, outcome: kube::Result<()>) {
        self.requests += 1;
        *self.by_kind.entry(work).or_default() += 1;
        if let Err(error) = outcome {
            self.failures.push(format!("{work}: {error}"));
        }
    }

    pub(super) fn sum(all: &[Self]) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.requests += one.requests;
            sum.failures.extend(one.failures.iter().cloned());
            for (work, count) in &one.by_kind {
                *sum.by_kind.entry(work).or_default() += count;
            }
        }
        sum
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pieces of work, {} failures: {:?}", self.requests, self.failures.len(), self.by_kind)
    }
}
