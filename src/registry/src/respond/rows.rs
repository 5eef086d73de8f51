//! The tables of stored objects, as bytes: cells are read from a tree that lacks what no printer looks at,
//! and what a row shows of its object is cut out of the stored bytes.

use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_api::{ApiError, Result, Value, wire};
use portcullis_storage::{Entry, View};
use serde_json::Map;

use super::encode;
use super::list::unreadable;
use super::table::{Include, drop_no_rows, shown};
use crate::negotiate::{Encoding, MetaVersion};
use crate::print;
use crate::resource::Resource;

/// Rows of a table that grows.
pub(super) struct Rows<'r> {
    resource: &'r Resource,
    version: MetaVersion,
    include: Include,
    now: Timestamp,
    text: Vec<u8>,
    /// Where each row is, and its rank.
    places: Vec<(i64, Range<usize>)>,
}

/// What was read of an object.
struct Read<'e> {
    cells: Vec<Value>,
    /// What they were read from.
    tree: Value,
    metadata: Option<View<'e>>,
}

impl<'r> Rows<'r> {
    pub(super) fn new(resource: &'r Resource, version: MetaVersion, include: Include) -> Self {
        let now = Timestamp::now();
        Self { resource, version, include, now, text: Vec::new(), places: Vec::new() }
    }

    /// Adds the row of an object.
    pub(super) fn push(&mut self, entry: &Entry) -> Result<()> {
        let start = self.text.len();
        let gr = &self.resource.gr;
        let Read { cells, tree, metadata } = self.read(entry)?;
        self.text.extend_from_slice(b"{\"cells\":");
        self.put(&Value::Array(cells))?;
        if let Some(conditions) = print::conditions(&gr.group, &gr.resource, &tree) {
            self.text.extend_from_slice(b",\"conditions\":");
            self.put(&conditions)?;
        }
        self.text.extend_from_slice(b",\"object\":");
        self.put_object(entry, metadata)?;
        self.text.push(b'}');
        self.places.push((print::rank(&gr.group, &gr.resource, &tree), start..self.text.len()));
        Ok(())
    }

    /// The bytes of a table that has no rows yet, with these.
    pub(super) fn into_table(mut self, mut empty: Value) -> Result<Bytes> {
        if self.places.is_empty() {
            drop_no_rows(self.resource, &mut empty);
            return encode(Encoding::Json { pretty: false }, &empty);
        }
        let empty = json(&empty)?;
        let head =
            empty.strip_suffix(b"]}").ok_or_else(|| ApiError::internal("a table ends with its rows"))?;
        let mut whole = Vec::with_capacity(empty.len() + self.text.len() + self.places.len() + 1);
        whole.extend_from_slice(head);
        self.places.sort_by_key(|(rank, _)| *rank);
        for (number, (_, place)) in self.places.into_iter().enumerate() {
            if number > 0 {
                whole.push(b',');
            }
            whole.extend_from_slice(self.text.get(place).unwrap_or_default());
        }
        whole.extend_from_slice(b"]}\n");
        Ok(whole.into())
    }

    fn read<'e>(&self, entry: &'e Entry) -> Result<Read<'e>> {
        let gr = &self.resource.gr;
        if let Some(serving) = self.resource.custom() {
            // Its columns may be of anything.
            let tree = self.resource.bare_tree(entry)?;
            let cells = serving.columns().cells(&tree, self.now);
            return Ok(Read { cells, tree: tree.into(), metadata: entry.view().get("metadata") });
        }
        let (tree, metadata) = match self.resource.converts() {
            true => (self.resource.bare_tree(entry)?.into(), None),
            false => printed(entry)?,
        };
        Ok(Read { cells: print::cells(&gr.group, &gr.resource, &tree, self.now), tree, metadata })
    }

    fn put(&mut self, value: &Value) -> Result<()> {
        self.text.extend_from_slice(&json(value)?);
        Ok(())
    }

    fn put_object(&mut self, entry: &Entry, metadata: Option<View<'_>>) -> Result<()> {
        match self.include {
            Include::Metadata if self.resource.shows_metadata_as_stored() => {
                self.text.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"");
                self.text.extend_from_slice(self.version.api_version().as_bytes());
                self.text.extend_from_slice(b"\",\"metadata\":");
                self.text.extend_from_slice(metadata.map_or(b"{}", View::raw));
                self.text.push(b'}');
            }
            Include::Object if !self.resource.converts() => {
                self.text.extend_from_slice(&self.resource.head);
                self.text.extend_from_slice(entry.body().get(1..).unwrap_or_default());
            }
            Include::None => self.text.extend_from_slice(b"null"),
            Include::Metadata | Include::Object => {
                let tree = self.resource.bare_tree(entry)?.into();
                self.put(&shown(self.resource, self.version, self.include, &tree))?;
            }
        }
        Ok(())
    }
}

fn json(value: &Value) -> Result<Vec<u8>> {
    wire::to_event_json(value).map_err(|error| ApiError::internal(error.to_string()))
}

/// The tree of an object without its managed fields, which are much of it and which no printer looks at; and its
/// metadata as they are written.
fn printed(entry: &Entry) -> Result<(Value, Option<View<'_>>)> {
    let (mut tree, mut metadata) = (Map::new(), None);
    for (name, value) in entry.view().members() {
        let parsed = match &*name {
            "metadata" => {
                metadata = Some(value);
                without_managed_fields(value).map(Value::Object)
            }
            _ => serde_json::from_slice(value.raw()),
        };
        tree.insert(name.into_owned(), parsed.map_err(|error| unreadable(entry, &error))?);
    }
    Ok((Value::Object(tree), metadata))
}

fn without_managed_fields(metadata: View<'_>) -> serde_json::Result<Map<String, Value>> {
    let members = metadata.members().filter(|(name, _)| name != "managedFields");
    members.map(|(name, value)| Ok((name.into_owned(), serde_json::from_slice(value.raw())?))).collect()
}
