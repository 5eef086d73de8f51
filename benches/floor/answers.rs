//! Ready answers of the size that real ones have.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::broadcast;

/// A ConfigMap of 1 KiB as it is answered, and its event.
const OBJECT: usize = 1515;
const EVENT: usize = 1806;
/// Events a watcher may be behind.
const BEHIND: usize = 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What is handed out.
pub(crate) struct Answers {
    object: Bytes,
    list: Bytes,
    page: Bytes,
    head: Bytes,
    events: broadcast::Sender<Bytes>,
}

impl Answers {
    pub(crate) fn new(objects: usize) -> Self {
        Self {
            object: filled(OBJECT),
            list: filled(OBJECT * objects),
            page: filled(OBJECT * objects.min(500)),
            head: Bytes::from_static(br#"{"metadata":{"resourceVersion":"1"}}"#),
            events: broadcast::channel(BEHIND).0,
        }
    }

    /// Answers any request there is; an update is an event for all who watch.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let sent = body.collect().await?.to_bytes();
        if parts.method == Method::PATCH {
            // Nobody may be watching.
            let _ = self.events.send(event(&sent));
        }
        let collection = parts.uri.path().ends_with("/configmaps");
        let body = match () {
            () if parts.method != Method::GET || !collection => full(&self.object),
            () if query.contains("watch=1") => self.follow(),
            () if query.contains("limit=1&") || query.ends_with("limit=1") => full(&self.head),
            () if query.contains("limit=500") => full(&self.page),
            () => full(&self.list),
        };
        let mut response = Response::new(body);
        if parts.method == Method::POST {
            *response.status_mut() = StatusCode::CREATED;
        }
        Ok(response)
    }

    fn follow(&self) -> Body {
        let events = stream::unfold(self.events.subscribe(), |mut events| async move {
            let event = events.recv().await.ok()?;
            Some((Ok(Frame::data(event)), events))
        });
        StreamBody::new(events.boxed()).boxed_unsync()
    }
}

fn full(bytes: &Bytes) -> Body {
    Full::new(bytes.clone()).boxed_unsync()
}

fn filled(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}

/// A line as long as a real event's, with what the update said in it.
fn event(sent: &[u8]) -> Bytes {
    let mut line = sent.to_vec();
    line.resize(EVENT - 1, b' ');
    line.push(b'\n');
    Bytes::from(line)
}
