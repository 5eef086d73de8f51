//! A list of objects in its envelope, written object by object into pieces of some size.

use portcullis_api::{Map, Value};
use serde::de::Deserializer as _;

use super::envelope::{MAGIC, closed, transcode, type_meta};
use super::wire::Writer;
use super::write::Members;
use crate::kind::Kind;
use crate::types::types;

/// A piece is complete when it has grown to this size.
const PIECE: usize = 64 * 1024;
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// A list that is being written.
pub struct ListWriter {
    kind: &'static Kind,
    pieces: Vec<Vec<u8>>,
    open: Writer,
}

impl ListWriter {
    /// A list of objects of a kind; `metadata` is the list's.
    ///
    /// # Errors
    /// When the metadata is not that of a list.
    pub fn new(kind: &'static Kind, metadata: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut open = Writer::default();
        if let Some(id) = types().by_definition(LIST_META) {
            let schema = types().get(id);
            open.message(1, |writer| metadata.deserialize_map(Members { writer, schema }))?;
        }
        Ok(Self { kind, pieces: Vec::new(), open })
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When a value is of another type than its field; the list is then no good.
    pub fn push(&mut self, object: &Map<String, Value>) -> Result<(), serde_json::Error> {
        self.item(|members| object.deserialize_map(members))
    }

    /// Writes an object from its JSON in normal form; no tree is built.
    ///
    /// # Errors
    /// When it is no JSON, or a value is of another type than its field; the list is then no good.
    pub fn push_json(&mut self, json: &[u8]) -> Result<(), serde_json::Error> {
        self.item(|members| transcode(json, members))
    }

    fn item<E>(&mut self, fill: impl FnOnce(Members<'_>) -> Result<(), E>) -> Result<(), E> {
        let schema = self.kind.root_struct();
        self.open.message(2, |writer| fill(Members { writer, schema }))?;
        if self.open.len() >= PIECE {
            self.pieces.push(std::mem::take(&mut self.open).into_bytes());
        }
        Ok(())
    }

    /// The whole list in order.
    pub fn finish(self) -> Vec<Vec<u8>> {
        let Self { kind, pieces, open } = self;
        let length = pieces.iter().fold(open.len(), |sum, piece| sum.saturating_add(piece.len()));
        let mut head = Writer::headed(MAGIC);
        type_meta(&mut head, kind.api_version(), &format!("{}List", kind.kind()));
        head.opening(2, length);
        let mut all = Vec::with_capacity(pieces.len() + 2);
        all.push(head.into_bytes());
        all.extend(pieces);
        all.push(closed(open));
        all
    }
}
