//! The phases: what is asked, how often, by how many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::Method;
use serde_json::json;

use crate::client::{Ask, Client, Lane};
use crate::report::{Phase, Tally, resident};
use crate::watching::{self, Concern};
use crate::{Failure, Options, objects};

const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// How often and by how many at once a phase asks.
struct Plan {
    count: usize,
    at_once: usize,
    ask: Arc<dyn Fn(usize) -> Ask + Send + Sync>,
}

/// Runs the phases in order.
pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let client = Client::new(&options)?;
    prepare(&client, &options).await?;
    println!("{:12} rss_mib={}", "idle", resident(&options.pids) >> 20);
    for name in &options.phases {
        let concern = match name.as_str() {
            "watch" => Some(Concern::All),
            "watch-own" => Some(Concern::One),
            _ => None,
        };
        if let Some(concern) = concern {
            watching::run(&client, &options, concern).await?;
            continue;
        }
        let plan = plan(name, &options)
            .ok_or_else(|| format!("no phase {name:?}; there are {}", NAMES.join(", ")))?;
        let phase = Phase::begin(name, &options.pids);
        phase.end(drive(&client, &plan).await?);
    }
    Ok(())
}

/// Makes the namespace, and waits until pods can be made in it.
async fn prepare(client: &Client, options: &Options) -> Result<(), Failure> {
    let mut lanes = client.lanes(1).await?;
    let lane = lanes.first_mut().ok_or("no lane")?;
    let namespace = &options.namespace;
    let made = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    let ask = Ask::with(Method::POST, "/api/v1/namespaces", made.to_string().into_bytes());
    let (code, body) = client.ask(lane, ask).await?;
    // Somebody with fewer rights finds it there.
    if !matches!(code, 201 | 403 | 409) {
        return Err(format!("namespace: {code} {}", String::from_utf8_lossy(&body)).into());
    }
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    let made = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    for _ in 0..20 {
        if matches!(client.ask(lane, Ask::get(account.as_str())).await?.0, 200 | 403) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Nobody runs controllers here.
    client.ask(lane, Ask::with(Method::POST, accounts, made.to_string().into_bytes())).await?;
    Ok(())
}

/// All phases.
const NAMES: [&str; 20] = [
    "create",
    "get",
    "list",
    "list-gzip",
    "list-proto",
    "list-table",
    "page",
    "select",
    "update",
    "patch",
    "apply",
    "review",
    "watch",
    "watch-own",
    "pods",
    "podlist",
    "podlist-proto",
    "deployments",
    "delete",
    "herd",
];

fn plan(name: &str, options: &Options) -> Option<Plan> {
    let maps = format!("/api/v1/namespaces/{}/configmaps", options.namespace);
    let pods = format!("/api/v1/namespaces/{}/pods", options.namespace);
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments", options.namespace);
    let (objects, first) = (options.objects, options.first);
    let (gets, all) = (options.gets, options.concurrency);
    let map = move |number: usize| format!("{maps}/map-{number}");
    let maps = format!("/api/v1/namespaces/{}/configmaps", options.namespace);
    let plan =
        |count, at_once, ask: Arc<dyn Fn(usize) -> Ask + Send + Sync>| Some(Plan { count, at_once, ask });
    match name {
        "create" => plan(
            objects.saturating_sub(first),
            all,
            Arc::new(move |n| Ask::with(Method::POST, &*maps, objects::config_map(first + n, 0))),
        ),
        "get" => plan(gets, all, Arc::new(move |n| Ask::get(map(n.wrapping_mul(7919) % objects)))),
        "list" => plan(40, 2, Arc::new(move |_| Ask::get(&*maps))),
        "list-gzip" => plan(40, 2, Arc::new(move |_| Ask::get(&*maps).gzip())),
        "list-proto" => plan(40, 2, Arc::new(move |_| Ask::get(&*maps).accept(PROTOBUF))),
        "list-table" => plan(10, 2, Arc::new(move |_| Ask::get(&*maps).accept(TABLE))),
        "herd" => plan(100, 100, Arc::new(move |_| Ask::get(&*maps))),
        "page" => plan(600, 4, Arc::new(move |_| Ask::get(format!("{maps}?limit=500")))),
        "select" => plan(600, 4, Arc::new(move |_| Ask::get(format!("{maps}?labelSelector=app%3Da7")))),
        "update" => {
            plan(objects, all, Arc::new(move |n| Ask::with(Method::PUT, map(n), objects::config_map(n, 1))))
        }
        "patch" => plan(
            objects,
            all,
            Arc::new(move |n| {
                Ask::with(Method::PATCH, map(n), br#"{"metadata":{"labels":{"generation":"2"}}}"#.to_vec())
                    .media(MERGE)
            }),
        ),
        "apply" => plan(
            objects,
            all,
            Arc::new(move |n| {
                let path = format!("{}?fieldManager=load&force=true", map(n));
                Ask::with(Method::PATCH, path, objects::config_map(n, 3)).media(APPLY)
            }),
        ),
        "deployments" => plan(
            objects,
            all,
            Arc::new(move |n| {
                let path = format!("{deployments}/web-{n}?fieldManager=load&force=true");
                Ask::with(Method::PATCH, path, objects::deployment(n)).media(APPLY)
            }),
        ),
        "review" => plan(
            gets,
            all,
            Arc::new(move |n| {
                Ask::with(
                    Method::POST,
                    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                    objects::review(n),
                )
            }),
        ),
        "pods" => plan(objects, all, Arc::new(move |n| Ask::with(Method::POST, &*pods, objects::pod(n)))),
        "podlist" => plan(10, 2, Arc::new(move |_| Ask::get(&*pods))),
        "podlist-proto" => plan(10, 2, Arc::new(move |_| Ask::get(&*pods).accept(PROTOBUF))),
        "delete" => plan(objects, all, Arc::new(move |n| Ask::with(Method::DELETE, map(n), Vec::new()))),
        _ => None,
    }
}

async fn drive(client: &Client, plan: &Plan) -> Result<Tally, Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for lane in client.lanes(plan.at_once).await? {
        let (client, next, ask, count) = (client.clone(), next.clone(), plan.ask.clone(), plan.count);
        tasks.push(tokio::spawn(async move { work(&client, lane, &next, count, &*ask).await }));
    }
    let mut all = Tally::default();
    for task in tasks {
        all.add(task.await??);
    }
    Ok(all)
}

async fn work(
    client: &Client,
    mut lane: Lane,
    next: &AtomicUsize,
    count: usize,
    ask: &(dyn Fn(usize) -> Ask + Send + Sync),
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(tally);
        }
        let began = Instant::now();
        let mut response = lane.send(client.request(ask(number))?).await?;
        let good = response.status().is_success();
        let mut text = Vec::new();
        while let Some(frame) = response.frame().await {
            if let Ok(data) = frame?.into_data() {
                tally.bytes += data.len() as u64;
                if !good && text.len() < 300 {
                    text.extend_from_slice(&data);
                }
            }
        }
        tally.latencies.push(began.elapsed());
        if !good {
            tally.failed += 1;
            if tally.failed == 1 {
                println!("first failure: {} {}", response.status(), String::from_utf8_lossy(&text));
            }
        }
    }
}
