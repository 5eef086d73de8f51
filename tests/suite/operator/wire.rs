//! Kubernetes' protobuf, as little of it as the program needs, read by prost: the server's own
//! transcoder would agree with its own mistakes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::Value;

pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(super) const PROTOBUF_WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// What every body starts with.
const MAGIC: &[u8] = b"k8s\0";

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
    #[prost(string, tag = "3")]
    content_encoding: String,
    #[prost(string, tag = "4")]
    content_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ObjectMeta {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
    #[prost(string, tag = "5")]
    pub(super) uid: String,
    #[prost(string, tag = "6")]
    pub(super) resource_version: String,
    #[prost(btree_map = "string, string", tag = "11")]
    pub(super) labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ConfigMap {
    #[prost(message, required, tag = "1")]
    pub(super) metadata: ObjectMeta,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) data: BTreeMap<String, String>,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(super) binary_data: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListMeta {
    #[prost(string, tag = "2")]
    pub(super) resource_version: String,
    #[prost(string, tag = "3")]
    pub(super) continue_token: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ConfigMapList {
    #[prost(message, required, tag = "1")]
    pub(super) metadata: ListMeta,
    #[prost(message, repeated, tag = "2")]
    pub(super) items: Vec<ConfigMap>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(string, tag = "4")]
    pub(super) reason: String,
    #[prost(int32, tag = "6")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RawExtension {
    #[prost(bytes = "vec", tag = "1")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchEvent {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, optional, tag = "2")]
    object: Option<RawExtension>,
}

/// A message that can be in an envelope.
pub(super) trait Enveloped: Message + Default {
    const KIND: &'static str;

    /// Reads it, if the envelope says that it is one.
    fn opened(body: &[u8]) -> Result<Self, String> {
        let envelope = body.strip_prefix(MAGIC).ok_or("there is no envelope")?;
        let envelope = Unknown::decode(envelope).map_err(|error| error.to_string())?;
        let told = envelope.type_meta.unwrap_or_default();
        if (told.api_version.as_str(), told.kind.as_str()) != ("v1", Self::KIND) {
            return Err(format!("{}/{} came, not {}", told.api_version, told.kind, Self::KIND));
        }
        Self::decode(envelope.raw.as_slice()).map_err(|error| error.to_string())
    }

    /// Writes it as a request's body.
    fn closed(&self) -> Vec<u8> {
        let type_meta = TypeMeta { api_version: "v1".to_owned(), kind: Self::KIND.to_owned() };
        let envelope =
            Unknown { type_meta: Some(type_meta), raw: self.encode_to_vec(), ..Unknown::default() };
        [MAGIC, &envelope.encode_to_vec()].concat()
    }
}

impl Enveloped for ConfigMap {
    const KIND: &'static str = "ConfigMap";
}

impl Enveloped for ConfigMapList {
    const KIND: &'static str = "ConfigMapList";
}

impl Enveloped for Status {
    const KIND: &'static str = "Status";
}

/// One event of a watch.
#[derive(Debug)]
pub(super) enum Event {
    Added(ConfigMap),
    Modified(ConfigMap),
    Deleted(ConfigMap),
    Bookmark(ConfigMap),
    Error(Status),
}

/// Takes the first frame off what was read; `None` while it is not all there.
pub(super) fn next_event(ahead: &mut Vec<u8>) -> Result<Option<Event>, String> {
    let Some(length) = ahead.first_chunk::<4>() else { return Ok(None) };
    let end = 4 + u32::from_be_bytes(*length) as usize;
    if ahead.len() < end {
        return Ok(None);
    }
    let frame: Vec<u8> = ahead.drain(..end).skip(4).collect();
    let event = WatchEvent::decode(frame.as_slice()).map_err(|error| error.to_string())?;
    let object = event.object.unwrap_or_default().raw;
    Ok(Some(match event.kind.as_str() {
        "ADDED" => Event::Added(ConfigMap::opened(&object)?),
        "MODIFIED" => Event::Modified(ConfigMap::opened(&object)?),
        "DELETED" => Event::Deleted(ConfigMap::opened(&object)?),
        "BOOKMARK" => Event::Bookmark(ConfigMap::opened(&object)?),
        "ERROR" => Event::Error(Status::opened(&object)?),
        other => return Err(format!("an event of type {other:?} came")),
    }))
}

/// What JSON tells of the same object.
pub(super) fn of_json(tree: &Value) -> ConfigMap {
    let text = |at: &str| tree.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let texts = |at: &str| -> BTreeMap<String, String> {
        let members = tree.pointer(at).and_then(Value::as_object).into_iter().flatten();
        members.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            labels: texts("/metadata/labels"),
            annotations: texts("/metadata/annotations"),
        },
        data: texts("/data"),
        binary_data: texts("/binaryData")
            .into_iter()
            .map(|(name, value)| (name, STANDARD.decode(value).unwrap()))
            .collect(),
    }
}
