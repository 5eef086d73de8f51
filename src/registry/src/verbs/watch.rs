//! GET with `watch=true`: the changes of a collection as a stream of events.
//!
//! A watcher holds a cursor, not a queue: frames are read from the resource's ring when the connection
//! can take them, and the initial state from a snapshot, some at a time. A stream ends with its timeout, its
//! credential or the permission that opened it.

mod view;

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use portcullis_api::{ApiError, Result};
use portcullis_storage::{
    EventType, Events, Key, Revision, Snapshot, Trait, WatchError, WatchStart, Watcher,
};
use rand::Rng as _;
use serde_json::json;
use tokio::time::{Instant, Sleep};

use super::get::parse_version;
use crate::Response;
use crate::call::Call;
use crate::door::{future_revision, storage_error};
use crate::negotiate::{self, Endpoint, Output};
use crate::options::ListOptions;
use crate::permission::Standing;
use crate::respond::{self, Include};
use view::View;

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// A client that comes back after the timeout knows how far it was.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
const LEAST_TIMEOUT: u64 = 1800;
/// How soon a withdrawn permission or an expired credential ends an idle stream, and how exact the
/// timeout and bookmarks are.
const RECHECK: Duration = Duration::from_millis(500);
/// How long a client may take to read the initial state: until then it holds on to objects as they were.
const INITIAL: Duration = Duration::from_secs(60);
/// Objects of the initial state that are made into frames at a time.
const SOME: usize = 32;

/// Serves a watch of a collection (or of one object, through a field selector).
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Collection)?;
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
    /// What is left to show of the state the watch began with.
    initial: Option<Initial>,
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

/// The state a watch begins with.
struct Initial {
    snapshot: Snapshot,
    /// The last key that was shown.
    after: Option<Key>,
    /// When the client must have read it.
    due: Instant,
}

async fn open(call: &Call<'_>, output: Output, options: ListOptions) -> Result<Stream> {
    let timeout = options.timeout_seconds.filter(|seconds| *seconds > 0);
    let timeout = timeout.unwrap_or_else(|| rand::rng().random_range(LEAST_TIMEOUT..LEAST_TIMEOUT * 2));
    let now = Instant::now();
    let ends = now + Duration::from_secs(timeout.min(LEAST_TIMEOUT * 4));
    let mut stream = Stream {
        pending: VecDeque::new(),
        initial: None,
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
        // Upstream's words, but not its 500: the fault is the client's.
        let asked = parse_version(&options.resource_version);
        let asked = asked.map_err(|error| ApiError::bad_request(error.message()))?;
        let asked = asked.filter(|revision| !revision.is_unset());
        let initial = options.send_initial_events.unwrap_or(asked.is_none());
        if initial {
            call.registry.reach(&options.resource_version).await?;
        }
        let current = call.registry.store().current_revision();
        let start = if initial { WatchStart::Initial } else { WatchStart::After(asked.unwrap_or(current)) };
        self.delivered = asked.unwrap_or(current);
        let one = self.view.options.key_of_one(call);
        let wanted = one.as_deref().map(Trait::Key).or_else(|| self.view.wanted());
        match call.resource.cache()?.watch_for(start, wanted).await {
            Ok(mut watcher) => {
                if let Some(snapshot) = watcher.take_initial() {
                    self.delivered = snapshot.revision();
                    self.initial = Some(Initial { snapshot, after: None, due: Instant::now() + INITIAL });
                }
                self.source = Source::Live(watcher);
                Ok(())
            }
            Err(error) => self.queue_error(&ended(&error)),
        }
    }

    /// Queues some more of the initial state; whether there was any left.
    async fn queue_initial(&mut self) -> Result<bool> {
        let Some(Initial { snapshot, after, due }) = &mut self.initial else { return Ok(false) };
        if Instant::now() > *due {
            return Err(ApiError::expired("The initial state was not read in time."));
        }
        let some: Vec<_> = snapshot.under(&self.view.prefix, after.as_deref()).take(SOME).cloned().collect();
        let Some(last) = some.last() else {
            let revision = snapshot.revision();
            self.initial = None;
            self.queue_initial_end(revision)?;
            return Ok(true);
        };
        *after = Some(last.key().clone());
        for entry in &self.view.resource.all_shown(some).await? {
            if self.view.selects(entry) {
                let frame = self.view.frame(EventType::Added, entry)?;
                self.pending.push_back(frame);
            }
        }
        Ok(true)
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

    /// The next frame; `None` ends the stream. Nothing is said before it is asked whether it may be.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.take_pending() {
                return self.stands().await.then_some(frame);
            }
            match self.queue_initial().await {
                Ok(false) => {}
                Ok(true) => continue,
                Err(error) => {
                    self.initial = None;
                    self.queue_error(&error).ok()?;
                    continue;
                }
            }
            let Source::Live(watcher) = &mut self.source else { return None };
            tokio::select! {
                biased;
                batch = watcher.next_batch() => self.queue(batch).await,
                () = self.timer.as_mut() => {
                    self.tick();
                    if !self.stands().await {
                        return None;
                    }
                }
            }
        }
    }

    /// Whether the stream may still say anything.
    async fn stands(&mut self) -> bool {
        self.standing.holds().await && !self.view.is_over()
    }

    /// What the clock asks for. One timer serves all of it, and an event does not touch it.
    fn tick(&mut self) {
        let now = Instant::now();
        if let Source::Live(watcher) = &mut self.source {
            watcher.rest();
        }
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
