//! GET with `watch=true`: the changes of a collection as a stream of events.
//!
//! A watcher holds a cursor, not a queue: frames are read from the resource's ring when the connection
//! can take them. A stream ends with its timeout, its credential or the permission that opened it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use portcullis_api::{ApiError, Result, Value, wire};
use portcullis_schema::protobuf;
use portcullis_storage::{
    Entry, Event, EventType, Events, FrameKey, Revision, Snapshot, WatchError, WatchStart, Watcher,
};
use rand::Rng as _;
use serde_json::json;
use tokio::time::{Instant, Sleep};

use super::get::parse_version;
use crate::Response;
use crate::call::Call;
use crate::custom::Serving;
use crate::door::{future_revision, storage_error};
use crate::negotiate::{self, Encoding, Endpoint, MetaVersion, Output, Shape};
use crate::options::ListOptions;
use crate::permission::Standing;
use crate::respond::{self, Include, partial};

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// A client that comes back after the timeout knows how far it was.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
const LEAST_TIMEOUT: u64 = 1800;
/// How soon a withdrawn permission or an expired credential ends an idle stream, and how exact the
/// timeout and bookmarks are.
const RECHECK: Duration = Duration::from_millis(500);
const NO_BODY: &[u8] = b"";
/// The brace that a head begins with.
const BRACE: &[u8] = b"{";
/// The number of the one shared form of a built-in resource: the full object as compact JSON.
const PLAIN: u16 = 0;

/// Serves a watch of a collection (or of one object, through a field selector).
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Collection)?;
    let options = ListOptions::parse(&call.query, true)?;
    options.check_fields(call)?;
    let stream = open(call, output, options).await?;
    let frames = stream::unfold(stream, |mut stream| async move {
        let frame = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Frame::data(frame)), stream))
    });
    let body = StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync();
    Ok(respond::respond(call, output.encoding.stream_type(), StatusCode::OK, body))
}

/// One open watch.
struct Stream {
    pending: VecDeque<Bytes>,
    source: Source,
    view: View,
    standing: Standing,
    timer: Pin<Box<Sleep>>,
    ends: Instant,
    next_bookmark: Option<Instant>,
    delivered: Revision,
}

enum Source {
    Live(Watcher),
    /// Nothing follows what is pending.
    Ended,
}

/// How events are selected and shown to this watcher.
struct View {
    prefix: String,
    options: ListOptions,
    output: Output,
    resource: Arc<crate::resource::Resource>,
    head: Bytes,
    include: Include,
    columns_sent: bool,
}

async fn open(call: &Call<'_>, output: Output, options: ListOptions) -> Result<Stream> {
    let timeout = options.timeout_seconds.filter(|seconds| *seconds > 0);
    let timeout = timeout.unwrap_or_else(|| rand::rng().random_range(LEAST_TIMEOUT..LEAST_TIMEOUT * 2));
    let now = Instant::now();
    let ends = now + Duration::from_secs(timeout.min(LEAST_TIMEOUT * 4));
    let mut stream = Stream {
        pending: VecDeque::new(),
        source: Source::Ended,
        standing: call.standing(),
        timer: Box::pin(tokio::time::sleep(RECHECK)),
        ends,
        next_bookmark: options.bookmarks.then(|| bookmark_after(now, ends)),
        delivered: Revision::UNSET,
        view: View {
            prefix: call.resource.prefix(&call.target.namespace),
            options,
            output,
            resource: call.resource.clone(),
            head: call.resource.head.clone(),
            include: Include::of(&call.query)?,
            columns_sent: false,
        },
    };
    stream.begin(call).await?;
    Ok(stream)
}

impl Stream {
    /// Finds where to start, and queues the initial state if the client wants it.
    async fn begin(&mut self, call: &Call<'_>) -> Result<()> {
        let options = &self.view.options;
        let asked = parse_version(&options.resource_version)?.filter(|revision| !revision.is_unset());
        let initial = options.send_initial_events.unwrap_or(asked.is_none());
        if initial {
            call.registry.reach(&options.resource_version).await?;
        }
        let current = call.registry.store().current_revision();
        let start = if initial { WatchStart::Initial } else { WatchStart::After(asked.unwrap_or(current)) };
        self.delivered = asked.unwrap_or(current);
        match call.resource.cache()?.watch(start).await {
            Ok(mut watcher) => {
                if let Some(snapshot) = watcher.take_initial() {
                    self.delivered = snapshot.revision();
                    self.queue_initial(&snapshot).await?;
                }
                self.source = Source::Live(watcher);
                Ok(())
            }
            Err(error) => self.queue_error(&ended(&error)),
        }
    }

    async fn queue_initial(&mut self, snapshot: &Snapshot) -> Result<()> {
        let prefix = self.view.prefix.clone();
        let entries = snapshot.under(&prefix, None).cloned().collect();
        for entry in &self.view.resource.all_shown(entries).await? {
            if self.view.selects(entry) {
                let frame = self.view.frame(EventType::Added, entry)?;
                self.pending.push_back(frame);
            }
        }
        self.queue_initial_end(snapshot.revision())
    }

    fn queue_initial_end(&mut self, revision: Revision) -> Result<()> {
        if self.view.options.send_initial_events == Some(true) && self.view.options.bookmarks {
            let end = json!({ "k8s.io/initial-events-end": "true" });
            self.pending.push_back(self.view.bookmark(revision, Some(end))?);
        }
        Ok(())
    }

    fn queue_error(&mut self, error: &ApiError) -> Result<()> {
        self.source = Source::Ended;
        let frame = self.view.event_frame("ERROR", error.to_status())?;
        self.pending.push_back(frame);
        Ok(())
    }

    /// The next frame; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.standing.holds() || self.view.is_over() {
                return None;
            }
            if let Some(frame) = self.take_pending() {
                return Some(frame);
            }
            let Source::Live(watcher) = &mut self.source else { return None };
            tokio::select! {
                batch = watcher.next_batch() => self.queue(batch).await,
                () = self.timer.as_mut() => self.tick(),
            }
        }
    }

    /// What the clock asks for. One timer serves all of it, and an event does not touch it.
    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.ends {
            self.source = Source::Ended;
        } else if self.next_bookmark.is_some_and(|due| now >= due) {
            self.queue_bookmark();
        }
        self.timer.as_mut().reset(self.ends.min(now + RECHECK));
    }

    /// Joins what is pending into one frame of bounded size.
    fn take_pending(&mut self) -> Option<Bytes> {
        const JOIN: usize = 64 * 1024;
        let first = self.pending.pop_front()?;
        if self.pending.is_empty() || first.len() >= JOIN {
            return Some(first);
        }
        let all = self.pending.iter().fold(first.len(), |sum, frame| sum.saturating_add(frame.len()));
        let mut joined = BytesMut::with_capacity(all.min(JOIN));
        joined.put_slice(&first);
        while let Some(next) = self.pending.front().filter(|next| joined.len() + next.len() <= JOIN) {
            joined.put_slice(next);
            self.pending.pop_front();
        }
        Some(joined.freeze())
    }

    async fn queue(&mut self, batch: std::result::Result<Events, WatchError>) {
        let events = match batch {
            Ok(events) => events,
            Err(error) => {
                if self.queue_error(&ended(&error)).is_err() {
                    self.source = Source::Ended;
                }
                return;
            }
        };
        for event in events.iter() {
            self.delivered = event.revision;
            match self.view.event(event).await {
                Ok(Some(frame)) => self.pending.push_back(frame),
                Ok(None) => {}
                Err(_) => self.source = Source::Ended,
            }
        }
    }

    fn queue_bookmark(&mut self) {
        self.next_bookmark = self.next_bookmark.map(|_| bookmark_after(Instant::now(), self.ends));
        let Source::Live(watcher) = &self.source else { return };
        let reached = watcher.progress().max(self.delivered);
        if let Ok(frame) = self.view.bookmark(reached, None) {
            self.pending.push_back(frame);
        }
    }
}

impl View {
    fn selects(&self, entry: &Entry) -> bool {
        self.options.matches(&self.resource, entry)
    }

    /// What this watcher sees of an event: a selector can turn a change into an arrival or a departure.
    async fn event(&mut self, event: &Event) -> Result<Option<Bytes>> {
        if !event.entry.key().starts_with(self.prefix.as_str()) {
            return Ok(None);
        }
        if !self.shows(event) {
            let (entry, previous) = self.converted(event).await?;
            return match self.shown_as(event, &entry, previous.as_deref()) {
                Some(shown_as) => self.frame(shown_as, &entry).map(Some),
                None => Ok(None),
            };
        }
        let Some(shown_as) = self.shown_as(event, &event.entry, event.previous.as_deref()) else {
            return Ok(None);
        };
        if self.is_plain() {
            let key = FrameKey { shown_as, form: self.resource.custom().map_or(PLAIN, Serving::form) };
            return Ok(Some(
                event.frame(key, |event| plain_frame(word(shown_as), &self.head, event.entry.body())),
            ));
        }
        self.frame(shown_as, &event.entry).map(Some)
    }

    fn shown_as(&self, event: &Event, entry: &Entry, previous: Option<&Entry>) -> Option<EventType> {
        let now = event.event_type != EventType::Deleted && self.selects(entry);
        let before = previous.is_some_and(|previous| self.selects(previous));
        match (before, now) {
            (false, true) => Some(EventType::Added),
            (true, true) => Some(EventType::Modified),
            (true, false) => Some(EventType::Deleted),
            (false, false) => None,
        }
    }

    /// Both states of an event as this version shows them.
    async fn converted(&self, event: &Event) -> Result<(Arc<Entry>, Option<Arc<Entry>>)> {
        let previous = match &event.previous {
            Some(previous) => Some(self.resource.shown(previous.clone()).await?),
            None => None,
        };
        let entry = match (&previous, event.event_type) {
            // What is gone is shown as it was.
            (Some(previous), EventType::Deleted) => Arc::new(previous.with_revision(event.revision)),
            _ => self.resource.shown(event.entry.clone()).await?,
        };
        Ok((entry, previous))
    }

    /// Whether both states of an event are shown as they are stored.
    fn shows(&self, event: &Event) -> bool {
        let before = event.previous.as_ref();
        before.is_none_or(|previous| self.resource.shows(previous)) && self.resource.shows(&event.entry)
    }

    /// Whether a definition no longer says what this stream was opened for.
    fn is_over(&self) -> bool {
        self.resource.custom().is_some_and(Serving::is_over)
    }

    /// Whether the frame is the same for everybody who watches this version.
    fn is_plain(&self) -> bool {
        self.output.shape == Shape::Full
            && matches!(self.output.encoding, Encoding::Json { .. })
            && !self.resource.converts()
    }

    fn frame(&mut self, shown_as: EventType, entry: &Entry) -> Result<Bytes> {
        if self.is_plain() {
            return Ok(plain_frame(word(shown_as), &self.head, entry.body()));
        }
        let object = match self.output.shape {
            Shape::Full => Value::from(self.resource.tree(entry)?),
            Shape::Metadata(version) => {
                partial(&self.resource, version, &Value::from(self.resource.bare_tree(entry)?))
            }
            Shape::Table(version) => self.table(version, entry)?,
        };
        self.event_frame(word(shown_as), object)
    }

    fn table(&mut self, version: MetaVersion, entry: &Entry) -> Result<Value> {
        let object = Value::from(self.resource.bare_tree(entry)?);
        let meta = respond::ListMeta::of_object(&object);
        let headers = !std::mem::replace(&mut self.columns_sent, true);
        Ok(respond::event_table(&self.resource, (version, self.include), &meta, &object, headers))
    }

    fn bookmark(&self, revision: Revision, annotations: Option<Value>) -> Result<Bytes> {
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        if let (Some(annotations), Some(map)) = (annotations, metadata.as_object_mut()) {
            map.insert("annotations".into(), annotations);
        }
        let (kind, api_version) = match self.output.shape {
            Shape::Full => (self.resource.kind.kind(), self.resource.kind.api_version()),
            Shape::Metadata(version) => ("PartialObjectMetadata", version.api_version()),
            Shape::Table(version) => ("Table", version.api_version()),
        };
        let object = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        self.event_frame("BOOKMARK", object)
    }

    /// An event in the stream's encoding: a line of JSON, or a length and a protobuf message.
    fn event_frame(&self, word: &str, object: Value) -> Result<Bytes> {
        if self.output.encoding == Encoding::Protobuf {
            let object = respond::encode(Encoding::Protobuf, &object)?;
            return Ok(protobuf::encode_watch_event(word, &object).into());
        }
        let object = wire::to_event_json(&object).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(plain_frame(word, BRACE, &object))
    }
}

/// `{"type":…,"object":…}` and a newline.
fn plain_frame(word: &str, head: &[u8], body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(word.len() + head.len() + body.len() + 24);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(word.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(head);
    out.put_slice(body.get(1..).unwrap_or(NO_BODY));
    out.put_slice(b"}\n");
    out.freeze()
}

fn word(shown_as: EventType) -> &'static str {
    match shown_as {
        EventType::Added => "ADDED",
        EventType::Modified => "MODIFIED",
        EventType::Deleted => "DELETED",
    }
}

/// When the next bookmark is due: every minute, and shortly before the stream ends.
fn bookmark_after(now: Instant, ends: Instant) -> Instant {
    let every = now + BOOKMARK_EVERY;
    let last = ends.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now);
    last.map_or(every, |last| last.min(every))
}

fn ended(error: &WatchError) -> ApiError {
    match error {
        WatchError::Expired { asked } => ApiError::expired(format!("too old resource version: {asked}")),
        WatchError::Future { asked, current } => future_revision(*asked, *current),
        WatchError::Store(error) => storage_error(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_comes_every_minute_and_before_the_end() {
        let now = Instant::now();
        let after = |seconds| bookmark_after(now, now + Duration::from_secs(seconds)) - now;
        assert_eq!(after(600), BOOKMARK_EVERY);
        assert_eq!(after(61), Duration::from_secs(59));
        assert_eq!(after(5), Duration::from_secs(3));
        assert_eq!(after(2), BOOKMARK_EVERY);
        assert_eq!(after(1), BOOKMARK_EVERY);
    }
}
