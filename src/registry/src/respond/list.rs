//! Lists: bodies copied into large frames while they are sent, or trees where a shape needs them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use portcullis_api::body::full;
use portcullis_api::{ApiError, Body, Result, Value};
use portcullis_schema::kind_named;
use portcullis_schema::protobuf::ListWriter;
use portcullis_storage::Entry;
use serde_json::{Map, json};

use super::rows::Rows;
use super::table::{Include, empty};
use super::{encode, no_protobuf, partial, respond, table};
use crate::Response;
use crate::call::Call;
use crate::negotiate::{Encoding, MetaVersion, Output, Shape};
use crate::resource::Resource;
use crate::verbs::list::Selected;

/// A frame is handed to the connection when it has grown to this size.
const FRAME: usize = 64 * 1024;
/// After so many objects that were encoded, others get their turn.
const TURN: usize = 64;

/// The metadata of a list.
#[derive(Default, Debug, Clone)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    pub(crate) cont: String,
    pub(crate) remaining: Option<usize>,
}

impl ListMeta {
    /// What the table of a single object carries.
    pub(crate) fn of_object(object: &Value) -> Self {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        Self { resource_version: version.to_owned(), ..Self::default() }
    }

    /// A custom list says that nothing follows.
    fn of_custom(&self) -> Value {
        let mut meta = self.to_value();
        if let Some(meta) = meta.as_object_mut() {
            meta.entry("continue").or_insert_with(|| "".into());
        }
        meta
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut meta = Map::new();
        if !self.cont.is_empty() {
            meta.insert("continue".into(), self.cont.clone().into());
        }
        if let Some(remaining) = self.remaining {
            meta.insert("remainingItemCount".into(), remaining.into());
        }
        if !self.resource_version.is_empty() {
            meta.insert("resourceVersion".into(), self.resource_version.clone().into());
        }
        Value::Object(meta)
    }
}

/// Answers with a list.
pub(crate) async fn list(
    call: &Call<'_>,
    output: Output,
    code: StatusCode,
    selected: Selected,
) -> Result<Response> {
    let fast = output.shape == Shape::Full && output.encoding == Encoding::Json { pretty: false };
    let body = if fast && !call.resource.converts() {
        stream(call, selected)
    } else {
        // Made as a whole, so there must be room for it before it is begun.
        let account = call.registry.budgets().lists.account(call.user);
        let _room = account.charge(room(output, &selected)).map_err(ApiError::from)?;
        match (output.encoding, output.shape) {
            (Encoding::Protobuf, _) => protobuf_list(call, output, &selected).await?,
            (Encoding::Json { pretty: false }, Shape::Table(version)) => {
                full(stored_table(call, version, &selected).await?)
            }
            _ => full(encode(output.encoding, &shaped(call, output, &selected)?)?),
        }
    };
    Ok(respond(call, output.encoding.content_type(), code, body))
}

/// Answers with a list of trees that are not stored.
pub(crate) fn tree_list(
    call: &Call<'_>,
    output: Output,
    items: Vec<Value>,
    meta: &ListMeta,
) -> Result<Response> {
    let body = full(encode(output.encoding, &shape(call, output, items, meta)?)?);
    Ok(respond(call, output.encoding.content_type(), StatusCode::OK, body))
}

/// About how many bytes of memory it takes to make an answer of what was selected: its own, and those of
/// the trees that it is made of.
fn room(output: Output, selected: &Selected) -> u64 {
    /// A tree beside the JSON it was read from, measured on pods.
    const TREE: u64 = 5;
    let bodies = selected.entries.iter().map(|entry| u64::try_from(entry.body().len()).unwrap_or(u64::MAX));
    let bodies = bodies.fold(0, u64::saturating_add);
    match (output.encoding, output.shape) {
        // One tree at a time.
        (Encoding::Protobuf, _) | (Encoding::Json { pretty: false }, Shape::Table(_)) => bodies,
        _ => bodies.saturating_mul(TREE),
    }
}

/// A list in its protobuf envelope: of full objects, or of their metadata. What is shown as it is stored is
/// written from its bytes. Others get their turn in between.
async fn protobuf_list(call: &Call<'_>, output: Output, selected: &Selected) -> Result<Body> {
    let meta = into_map(selected.meta.to_value());
    let kind = match output.shape {
        Shape::Metadata(_) => kind_named("meta.k8s.io", "v1", "PartialObjectMetadata")
            .ok_or_else(|| ApiError::internal("the PartialObjectMetadata kind is not built in"))?,
        _ => call.resource.kind.built_in().ok_or_else(|| no_protobuf("List"))?,
    };
    let mut list = ListWriter::new(kind, &meta).map_err(|error| ApiError::internal(error.to_string()))?;
    for (entry, number) in selected.entries.iter().zip(1_usize..) {
        let written = match output.shape {
            Shape::Metadata(_) => list.push(&bare_metadata(call.resource, entry)?),
            _ if call.resource.converts() => list.push(call.resource.bare_tree(entry)?.map()),
            _ => list.push_json(entry.body()),
        };
        written.map_err(|error| unreadable(entry, &error))?;
        if number.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(pieces(list.finish()))
}

/// A table of stored objects. Others get their turn in between.
async fn stored_table(call: &Call<'_>, version: MetaVersion, selected: &Selected) -> Result<Bytes> {
    let mut rows = Rows::new(call.resource, version, Include::of(&call.query)?);
    for (entry, number) in selected.entries.iter().zip(1_usize..) {
        rows.push(entry)?;
        if number.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
    }
    rows.into_table(empty(call.resource, &call.query, version, &selected.meta))
}

fn bare_metadata(resource: &Resource, entry: &Entry) -> Result<Map<String, Value>> {
    let metadata = resource.metadata_of(&resource.bare_tree(entry)?.into());
    Ok(Map::from_iter([("metadata".to_owned(), metadata)]))
}

pub(super) fn unreadable(entry: &Entry, error: &serde_json::Error) -> ApiError {
    ApiError::internal(format!("the stored object {} is not readable: {error}", entry.key()))
}

/// A body of pieces that are ready.
fn pieces(pieces: Vec<Vec<u8>>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece.into())));
    StreamBody::new(futures::stream::iter(frames)).map_err(|never| match never {}).boxed_unsync()
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn shaped(call: &Call<'_>, output: Output, selected: &Selected) -> Result<Value> {
    let items = selected.entries.iter().map(|entry| call.resource.bare_tree(entry).map(Value::from));
    if let Shape::Table(version) = output.shape {
        return table(call.resource, &call.query, version, &selected.meta, items);
    }
    shape(call, output, items.collect::<Result<Vec<Value>>>()?, &selected.meta)
}

fn shape(call: &Call<'_>, output: Output, items: Vec<Value>, list_meta: &ListMeta) -> Result<Value> {
    let meta = list_meta.to_value();
    Ok(match output.shape {
        Shape::Table(version) => {
            table(call.resource, &call.query, version, list_meta, items.into_iter().map(Ok))?
        }
        Shape::Full if call.resource.custom().is_some() => json!({
            "kind": call.resource.row.list_kind, "apiVersion": call.resource.kind.api_version(),
            "metadata": list_meta.of_custom(), "items": with_heads(call.resource, items),
        }),
        Shape::Full => json!({
            "kind": call.resource.row.list_kind, "apiVersion": call.resource.kind.api_version(),
            "metadata": meta, "items": items,
        }),
        Shape::Metadata(version) => {
            let items: Vec<Value> = items.iter().map(|item| partial(call.resource, version, item)).collect();
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": version.api_version(),
                "metadata": meta, "items": items,
            })
        }
    })
}

fn with_heads(resource: &Resource, mut items: Vec<Value>) -> Vec<Value> {
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.insert("apiVersion".into(), resource.kind.api_version().into());
        item.insert("kind".into(), resource.kind.kind().into());
    }
    items
}

fn stream(call: &Call<'_>, selected: Selected) -> Body {
    if call.resource.custom().is_some() {
        return custom_stream(call, selected);
    }
    let mut head = BytesMut::with_capacity(256);
    head.put_slice(b"{\"kind\":\"");
    head.put_slice(call.resource.row.list_kind.as_bytes());
    head.put_slice(b"\",\"apiVersion\":\"");
    head.put_slice(call.resource.kind.api_version().as_bytes());
    head.put_slice(b"\",\"metadata\":");
    head.put_slice(selected.meta.to_value().to_string().as_bytes());
    head.put_slice(b",\"items\":[");
    Frames::new(head, Bytes::new(), Bytes::from_static(b"]}\n"), selected).into_body()
}

/// Go writes custom lists as sorted maps whose items say what they are.
fn custom_stream(call: &Call<'_>, selected: Selected) -> Body {
    let resource = call.resource;
    let mut head = BytesMut::with_capacity(64);
    head.put_slice(b"{\"apiVersion\":\"");
    head.put_slice(resource.kind.api_version().as_bytes());
    head.put_slice(b"\",\"items\":[");
    let (kind, meta) = (&resource.row.list_kind, selected.meta.of_custom());
    let tail = format!("],\"kind\":\"{kind}\",\"metadata\":{meta}}}\n");
    Frames::new(head, resource.head.clone(), tail.into(), selected).into_body()
}

/// A list body: head, items, tail, in frames of at least [`FRAME`] bytes.
struct Frames {
    head: Option<BytesMut>,
    /// What comes before each item's body instead of its brace; may be empty.
    item_head: Bytes,
    tail: Bytes,
    entries: std::vec::IntoIter<Arc<Entry>>,
    first: bool,
    done: bool,
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_frame()))))
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Frames {
    fn new(head: BytesMut, item_head: Bytes, tail: Bytes, selected: Selected) -> Self {
        let entries = selected.entries.into_iter();
        Self { head: Some(head), item_head, tail, entries, first: true, done: false }
    }

    fn into_body(self) -> Body {
        self.map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
    }

    fn next_frame(&mut self) -> Bytes {
        let mut frame = self.head.take().unwrap_or_default();
        let next = self.entries.as_slice().first().map_or(0, |entry| entry.body().len());
        frame.reserve((FRAME + next).min(FRAME * 2 + next));
        while frame.len() < FRAME {
            let Some(entry) = self.entries.next() else {
                frame.put_slice(&self.tail);
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                frame.put_u8(b',');
            }
            if self.item_head.is_empty() {
                frame.put_slice(entry.body());
            } else {
                frame.put_slice(&self.item_head);
                frame.put_slice(entry.body().get(1..).unwrap_or_default());
            }
        }
        frame.freeze()
    }
}
