//! Watchers of one collection, each of which sees every update, or those of one object of its own. An event's
//! latency counts from when its update was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Ask, Client, Lane};
use crate::report::{Phase, Tally, resident};
use crate::{Failure, Options};

/// How long watchers wait for what must come.
const PATIENCE: Duration = Duration::from_secs(120);
const MARK: &[u8] = b"\"sequence\":\"";

/// When updates were sent, and how many watchers are open.
struct Shared {
    began: Instant,
    sent: Vec<AtomicU64>,
    open: AtomicUsize,
}

/// Whom updates concern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Every watcher.
    All,
    /// One watcher each: what it costs that the others are there.
    One,
}

impl Concern {
    fn phase(self) -> &'static str {
        match self {
            Self::All => "watch",
            Self::One => "watch-own",
        }
    }

    /// What the n-th watcher asks for beside all else.
    fn selector(self, number: usize) -> String {
        match self {
            Self::All => String::new(),
            Self::One => format!("&fieldSelector=metadata.name%3Dmap-{number}"),
        }
    }

    /// How many updates a watcher sees, each object being updated in its turn.
    fn seen(self, options: &Options) -> usize {
        match self {
            Self::All => options.updates,
            Self::One => options.updates / options.watchers.max(1),
        }
    }
}

pub(crate) async fn run(client: &Client, options: &Options, concern: Concern) -> Result<(), Failure> {
    // Everybody's turn comes equally often.
    let mut options = options.clone();
    if concern == Concern::One {
        options.watchers = options.watchers.min(options.objects);
        options.updates = options.updates.max(options.watchers).next_multiple_of(options.watchers.max(1));
    }
    let options = &options;
    let base = format!("/api/v1/namespaces/{}/configmaps", options.namespace);
    let mut lanes = client.lanes(1).await?;
    let lane = lanes.first_mut().ok_or("no lane")?;
    let (_, listed) = client.ask(lane, Ask::get(format!("{base}?limit=1"))).await?;
    let listed: Value = serde_json::from_slice(&listed)?;
    let version = listed.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    let sent = (0..options.updates).map(|_| AtomicU64::new(0)).collect();
    let shared = Arc::new(Shared { began: Instant::now(), sent, open: AtomicUsize::new(0) });
    let before = resident(&options.pids);
    let path = format!("{base}?watch=1&resourceVersion={version}&timeoutSeconds=600");
    let mut tasks = Vec::new();
    for (number, lane) in client.lanes(options.watchers).await?.into_iter().enumerate() {
        let (client, shared, awaited) = (client.clone(), shared.clone(), concern.seen(options));
        let ask = Ask::get(format!("{path}{}", concern.selector(number)));
        tasks.push(tokio::spawn(async move { watch(&client, lane, ask, &shared, awaited).await }));
    }
    let opened = Instant::now();
    while shared.open.load(Ordering::Acquire) < options.watchers {
        if opened.elapsed() > PATIENCE {
            return Err("not all watches were opened".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = resident(&options.pids).saturating_sub(before) / options.watchers.max(1) as u64;
    println!("{:12} watchers={} bytes_each={held}", "watch-open", options.watchers);
    let phase = Phase::begin(concern.phase(), &options.pids);
    let turns = match concern {
        Concern::All => options.objects,
        Concern::One => options.watchers,
    };
    for number in 0..options.updates {
        let path = format!("{base}/map-{}", number % turns.max(1));
        update(client, lane, path, concern, number, &shared).await?;
    }
    let mut all = Tally::default();
    for task in tasks {
        all.add(tokio::time::timeout(PATIENCE, task).await???);
    }
    phase.end(all);
    Ok(())
}

async fn update(
    client: &Client,
    lane: &mut Lane,
    path: String,
    concern: Concern,
    number: usize,
    shared: &Shared,
) -> Result<(), Failure> {
    let since = u64::try_from(shared.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    if let Some(sent) = shared.sent.get(number) {
        sent.store(since, Ordering::Release);
    }
    // With the phase in it: what an earlier phase left must be changed, or nobody is told.
    let annotations = json!({ "phase": concern.phase(), "sequence": number.to_string() });
    let patch = json!({ "metadata": { "annotations": annotations } });
    let ask = Ask::with(Method::PATCH, path, patch.to_string().into_bytes());
    let (code, body) = client.ask(lane, ask.media("application/merge-patch+json")).await?;
    match code {
        200 => Ok(()),
        code => Err(format!("update: {code} {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// Follows one watch until all that is awaited was seen.
async fn watch(
    client: &Client,
    mut lane: Lane,
    ask: Ask,
    shared: &Shared,
    awaited: usize,
) -> Result<Tally, Failure> {
    let mut response = lane.send(client.request(ask)?).await?;
    if !response.status().is_success() {
        return Err(format!("watch: {}", response.status()).into());
    }
    shared.open.fetch_add(1, Ordering::AcqRel);
    let (mut tally, mut rest) = (Tally::default(), Vec::new());
    while let Some(frame) = response.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        tally.bytes += data.len() as u64;
        rest.extend_from_slice(&data);
        let mut done = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            done += line.len();
            tally.latencies.extend(latency(line, shared));
        }
        rest.drain(..done);
        if tally.latencies.len() >= awaited {
            return Ok(tally);
        }
    }
    tally.failed = awaited - tally.latencies.len();
    Ok(tally)
}

/// How long ago the update that made this event was sent.
fn latency(line: &[u8], shared: &Shared) -> Option<Duration> {
    let at = line.windows(MARK.len()).position(|window| window == MARK)?;
    let digits = line.get(at + MARK.len()..)?.split(|byte| *byte == b'"').next()?;
    let number: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let sent = Duration::from_nanos(shared.sent.get(number)?.load(Ordering::Acquire));
    shared.began.elapsed().checked_sub(sent)
}
