//! What one watcher sees of an event, and the bytes that say it.
//!
//! Whatever does not depend on the watcher is encoded by the first who asks and shared by the others: the
//! full object and its metadata, in JSON and in protobuf.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use portcullis_api::{ApiError, Result, Value, wire};
use portcullis_schema::protobuf;
use portcullis_storage::{Entry, Event, EventType, FrameKey, Revision, Trait};
use serde_json::json;

use crate::custom::Serving;
use crate::negotiate::{Encoding, MetaVersion, Output, Shape};
use crate::options::ListOptions;
use crate::respond::{self, Include, partial};

const NO_BODY: &[u8] = b"";
/// The brace that a head begins with.
const BRACE: &[u8] = b"{";

/// How events are selected and shown to this watcher.
pub(super) struct View {
    pub(super) prefix: String,
    pub(super) options: ListOptions,
    pub(super) output: Output,
    pub(super) resource: Arc<crate::resource::Resource>,
    pub(super) head: Bytes,
    pub(super) include: Include,
    pub(super) columns_sent: bool,
}

impl View {
    pub(super) fn selects(&self, entry: &Entry) -> bool {
        self.options.matches(&self.resource, entry)
    }

    /// What every object that is selected has: a field before labels, which many objects may share.
    pub(super) fn wanted(&self) -> Option<Trait<'_>> {
        let traits = self.options.traits(&self.resource);
        let field = traits.iter().find(|one| matches!(one, Trait::Field(..)));
        field.or_else(|| traits.first()).copied()
    }

    /// What this watcher sees of an event: a selector can turn a change into an arrival or a departure.
    pub(super) async fn event(&mut self, event: &Event) -> Result<Option<Bytes>> {
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
        match self.form() {
            Some(form) => {
                event.frame(FrameKey { shown_as, form }, |event| self.frame(shown_as, &event.entry))
            }
            None => self.frame(shown_as, &event.entry),
        }
        .map(Some)
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
    pub(super) fn is_over(&self) -> bool {
        self.resource.custom().is_some_and(Serving::is_over)
    }

    /// The number of the form that this watcher shares with others; a table is everybody's own.
    fn form(&self) -> Option<u32> {
        if self.resource.converts() {
            return None;
        }
        let version = self.resource.custom().map_or(0, Serving::form);
        let kind = match (self.output.shape, self.output.encoding) {
            (Shape::Full, Encoding::Json { .. }) => 0,
            (Shape::Full, Encoding::Protobuf) => 1,
            (Shape::Metadata(MetaVersion::V1), Encoding::Json { .. }) => 2,
            (Shape::Metadata(MetaVersion::V1), Encoding::Protobuf) => 3,
            _ => return None,
        };
        Some(u32::from(version) << 2 | kind)
    }

    pub(super) fn frame(&mut self, shown_as: EventType, entry: &Entry) -> Result<Bytes> {
        // What is shown as it is stored is made of the stored bytes.
        if self.output.shape == Shape::Full && !self.resource.converts() {
            match self.output.encoding {
                Encoding::Json { .. } => return Ok(plain_frame(word(shown_as), &self.head, entry.body())),
                Encoding::Protobuf => {
                    let object = respond::stored_protobuf(&self.resource, entry.body())?;
                    return Ok(protobuf::encode_watch_event(word(shown_as), &object).into());
                }
                Encoding::Yaml => {}
            }
        }
        let object = match self.output.shape {
            Shape::Full => Value::from(self.resource.tree(entry)?),
            Shape::Metadata(version) => {
                partial(&self.resource, version, &Value::from(self.resource.bare_tree(entry)?))
            }
            Shape::Table(version) => self.table(version, &Value::from(self.resource.bare_tree(entry)?)),
        };
        self.event_frame(word(shown_as), object)
    }

    fn table(&mut self, version: MetaVersion, object: &Value) -> Value {
        let meta = respond::ListMeta::of_object(object);
        let headers = !std::mem::replace(&mut self.columns_sent, true);
        respond::event_table(&self.resource, (version, self.include), &meta, object, headers)
    }

    pub(super) fn bookmark(&mut self, revision: Revision, annotations: Option<Value>) -> Result<Bytes> {
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        if let (Some(annotations), Some(map)) = (annotations, metadata.as_object_mut()) {
            map.insert("annotations".into(), annotations);
        }
        let of = |kind: &str, api_version: &str| json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        let object = match self.output.shape {
            Shape::Full => of(self.resource.kind.kind(), self.resource.kind.api_version()),
            Shape::Metadata(version) => of("PartialObjectMetadata", version.api_version()),
            // A row like any other, of an object that has nothing else.
            Shape::Table(version) => {
                let (kind, api_version) = (self.resource.kind.kind(), self.resource.kind.api_version());
                self.table(version, &of(kind, api_version))
            }
        };
        self.event_frame("BOOKMARK", object)
    }

    /// An event in the stream's encoding: a line of JSON, or a length and a protobuf message.
    pub(super) fn event_frame(&self, word: &str, object: Value) -> Result<Bytes> {
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
