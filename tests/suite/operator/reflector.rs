//! A cache of one collection, kept as client-go's reflector keeps it.
//!
//! ```text
//! Unsynced -- list in pages, or a stream that begins with all there is --> Synced
//! Synced   -- watch from the last version; the stream ends, is cut, or cannot be opened --> Synced
//!          -- 410: the version is too old --> Unsynced
//! ```
//!
//! What an event says must fit what is known: whatever does not is a fault, and a test asks for none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use portcullis_client::Queue;
use tokio::sync::watch;

use super::wire::{ConfigMap, ConfigMapList, Enveloped, Event, PROTOBUF, PROTOBUF_WATCH, Status, next_event};

const PAGE: u32 = 7;
const PATIENCE: Duration = Duration::from_secs(30);

/// How the cache is filled at first.
#[derive(Clone, Copy)]
pub(super) enum Fill {
    /// By a list in pages.
    Pages,
    /// By a watch that begins with all there is.
    Stream,
}

/// How often what happened.
#[derive(Default, Debug)]
pub(super) struct Tally {
    pub(super) fills: AtomicU32,
    pub(super) watches: AtomicU32,
    pub(super) events: AtomicU32,
    pub(super) bookmarks: AtomicU32,
    pub(super) expired: AtomicU32,
    pub(super) lost: Mutex<Vec<String>>,
}

pub(super) struct Reflector {
    client: watch::Receiver<Client>,
    /// `/api/v1/namespaces/NAME/configmaps?labelSelector=…`
    collection: String,
    fill: Fill,
    /// Streams end while it is closed, and none is opened.
    gate: watch::Receiver<bool>,
    /// Told the names of what changes.
    queue: Arc<Queue<String>>,
    known: Mutex<BTreeMap<String, ConfigMap>>,
    reached: Mutex<String>,
    faults: Mutex<Vec<String>>,
    pub(super) tally: Tally,
}

enum State {
    Unsynced { at_least: &'static str },
    Synced { from: String, frames: Option<Frames> },
}

enum Trouble {
    Expired,
    Lost(String),
}

impl Reflector {
    pub(super) fn new(
        client: watch::Receiver<Client>,
        collection: &str,
        fill: Fill,
        gate: watch::Receiver<bool>,
        queue: Arc<Queue<String>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            collection: collection.to_owned(),
            fill,
            gate,
            queue,
            known: Mutex::default(),
            reached: Mutex::default(),
            faults: Mutex::default(),
            tally: Tally::default(),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<ConfigMap> {
        self.known.lock().get(name).cloned()
    }

    pub(super) fn all(&self) -> BTreeMap<String, ConfigMap> {
        self.known.lock().clone()
    }

    /// The version up to which the cache is current.
    pub(super) fn reached(&self) -> u64 {
        self.reached.lock().parse().unwrap_or_default()
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.lock().clone()
    }

    /// Follows the collection for ever.
    pub(super) async fn run(self: Arc<Self>) {
        let mut state = State::Unsynced { at_least: "0" };
        loop {
            let _ = self.gate.clone().wait_for(|open| *open).await;
            state = self.step(state).await;
        }
    }

    async fn step(&self, state: State) -> State {
        let (outcome, from) = match state {
            State::Unsynced { at_least } => match self.fill(at_least).await {
                Ok(synced) => return synced,
                Err(trouble) => (Err(trouble), None),
            },
            State::Synced { from, frames } => {
                let mut from = from;
                (self.follow(&mut from, frames).await, Some(from))
            }
        };
        match (outcome, from) {
            (Err(Trouble::Expired), _) => {
                self.tally.expired.fetch_add(1, Ordering::Relaxed);
                State::Unsynced { at_least: "" }
            }
            (outcome, from) => {
                if let Err(Trouble::Lost(why)) = outcome {
                    self.tally.lost.lock().push(why);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                from.map_or(State::Unsynced { at_least: "" }, |from| State::Synced { from, frames: None })
            }
        }
    }

    async fn fill(&self, at_least: &str) -> Result<State, Trouble> {
        self.tally.fills.fetch_add(1, Ordering::Relaxed);
        match self.fill {
            Fill::Pages => self.list(at_least).await,
            Fill::Stream => self.stream(at_least).await,
        }
    }

    async fn list(&self, at_least: &str) -> Result<State, Trouble> {
        let (mut all, mut query) = (BTreeMap::new(), format!("limit={PAGE}&resourceVersion={at_least}"));
        loop {
            let (frames, _) = self.ask(&query, PROTOBUF).await?;
            let list = ConfigMapList::opened(&frames.whole().await?).map_err(Trouble::Lost)?;
            all.extend(list.items.into_iter().map(|item| (item.metadata.name.clone(), item)));
            if list.metadata.continue_token.is_empty() {
                let from = list.metadata.resource_version;
                self.replace(all, &from);
                return Ok(State::Synced { from, frames: None });
            }
            query = format!("limit={PAGE}&continue={}", list.metadata.continue_token);
        }
    }

    async fn stream(&self, at_least: &str) -> Result<State, Trouble> {
        let query = format!(
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion={at_least}\
             &allowWatchBookmarks=true&timeoutSeconds=60"
        );
        let (mut frames, _) = self.ask(&query, PROTOBUF_WATCH).await?;
        let mut all = BTreeMap::new();
        loop {
            match frames.next().await?.ok_or_else(|| Trouble::Lost("the stream ended early".to_owned()))? {
                Event::Added(object) => {
                    all.insert(object.metadata.name.clone(), object);
                }
                Event::Bookmark(mark) if ends_initial(&mark) => {
                    let from = mark.metadata.resource_version;
                    self.replace(all, &from);
                    return Ok(State::Synced { from, frames: Some(frames) });
                }
                Event::Error(status) => return Err(trouble(&status)),
                other => self.fault(format!("{other:?} came before the initial events ended")),
            }
        }
    }

    /// Applies events until the stream ends.
    async fn follow(&self, from: &mut String, frames: Option<Frames>) -> Result<(), Trouble> {
        let mut frames = match frames {
            Some(frames) => frames,
            None => {
                self.tally.watches.fetch_add(1, Ordering::Relaxed);
                let query = format!(
                    "watch=true&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds={}",
                    3 + self.tally.watches.load(Ordering::Relaxed) % 3
                );
                self.ask(&query, PROTOBUF_WATCH).await?.0
            }
        };
        let mut gate = self.gate.clone();
        loop {
            let event = tokio::select! {
                event = frames.next() => event?,
                _ = gate.wait_for(|open| !*open) => return Ok(()),
            };
            match event {
                Some(Event::Error(status)) => return Err(trouble(&status)),
                Some(event) => self.apply(from, event),
                None => return Ok(()),
            }
        }
    }

    fn apply(&self, from: &mut String, event: Event) {
        let (word, object) = match event {
            Event::Bookmark(mark) => {
                self.tally.bookmarks.fetch_add(1, Ordering::Relaxed);
                if number(&mark.metadata.resource_version) < number(from) {
                    self.fault(format!("a bookmark leads back from {from}: {mark:?}"));
                }
                return self.reach(from, mark.metadata.resource_version);
            }
            Event::Added(object) => ("ADDED", object),
            Event::Modified(object) => ("MODIFIED", object),
            Event::Deleted(object) => ("DELETED", object),
            Event::Error(status) => return self.fault(format!("{status:?} is no event")),
        };
        self.tally.events.fetch_add(1, Ordering::Relaxed);
        let (name, version) = (object.metadata.name.clone(), object.metadata.resource_version.clone());
        if number(&version) <= number(from) {
            self.fault(format!("{word} {name} at {version} after {from}"));
        }
        let before = match word {
            "DELETED" => self.known.lock().remove(&name),
            _ => self.known.lock().insert(name.clone(), object),
        };
        if before.is_some() != (word != "ADDED") {
            self.fault(format!("{word} {name} at {version}, and there was {before:?}"));
        }
        self.reach(from, version);
        self.queue.add(name);
    }

    fn replace(&self, all: BTreeMap<String, ConfigMap>, version: &str) {
        let before = std::mem::replace(&mut *self.known.lock(), all.clone());
        version.clone_into(&mut self.reached.lock());
        before.into_keys().chain(all.into_keys()).for_each(|name| self.queue.add(name));
    }

    fn reach(&self, from: &mut String, version: String) {
        version.clone_into(&mut self.reached.lock());
        *from = version;
    }

    fn fault(&self, what: String) {
        self.faults.lock().push(what);
    }

    async fn ask(&self, query: &str, accept: &str) -> Result<(Frames, String), Trouble> {
        let joint = if self.collection.contains('?') { '&' } else { '?' };
        let request = Request::get(format!("{}{joint}{query}", self.collection))
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let client = self.client.borrow().clone();
        let response = tokio::time::timeout(PATIENCE, client.send(request)).await;
        let response = response.map_err(|_| Trouble::Lost("no answer".to_owned()))?;
        let response = response.map_err(|error| Trouble::Lost(error.to_string()))?;
        let media = response.headers().get("content-type").and_then(|media| media.to_str().ok());
        let media = media.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let frames = Frames { body: response.into_body(), ahead: Vec::new() };
        if status == 200 {
            if media != accept {
                self.fault(format!("{query} was answered with {media}"));
            }
            return Ok((frames, media));
        }
        let refused = Status::opened(&frames.whole().await?).map_err(Trouble::Lost)?;
        if refused.code != i32::from(status) {
            self.fault(format!("{status} says {refused:?}"));
        }
        Err(trouble(&refused))
    }
}

/// A body that is still read.
struct Frames {
    body: Body,
    ahead: Vec<u8>,
}

impl Frames {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            if let Some(event) = next_event(&mut self.ahead).map_err(Trouble::Lost)? {
                return Ok(Some(event));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    async fn whole(mut self) -> Result<Vec<u8>, Trouble> {
        while self.more().await? {}
        Ok(self.ahead)
    }

    async fn more(&mut self) -> Result<bool, Trouble> {
        match self.body.frame().await {
            None => Ok(false),
            Some(Ok(frame)) => {
                self.ahead.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                Ok(true)
            }
            Some(Err(error)) => Err(Trouble::Lost(error.to_string())),
        }
    }
}

fn trouble(status: &Status) -> Trouble {
    match (status.code, status.reason.as_str()) {
        (410, "Expired" | "Gone") => Trouble::Expired,
        _ => Trouble::Lost(format!("{status:?}")),
    }
}

fn ends_initial(mark: &ConfigMap) -> bool {
    mark.metadata.annotations.get("k8s.io/initial-events-end").is_some_and(|told| told == "true")
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}
