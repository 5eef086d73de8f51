//! One object as reads need it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::packed::{Fields, Labels};
use crate::json::{JsonError, Object, Parts, Spliced, View};
use crate::{Key, Revision};

/// What a resource's caller wants to know of each object, so that the cache needs no schema.
pub trait Indexer: Send + Sync + 'static {
    /// Gives the values of the object's selectable fields, always all and in the same order; name and
    /// namespace are known already.
    fn fields(&self, object: &mut Parts<'_, '_>, put: &mut dyn FnMut(&str));

    /// The places of the fields whose values few objects share, and by which objects are often asked for.
    fn finding(&self) -> &[usize] {
        &[]
    }
}

/// The indexer of resources that are selected by name and namespace only.
#[derive(Clone, Copy, Debug)]
pub struct NoFields;

impl Indexer for NoFields {
    fn fields(&self, _: &mut Parts<'_, '_>, _: &mut dyn FnMut(&str)) {}
}

/// The apiVersion and kind an object was stored with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeMeta {
    /// `apiVersion`.
    pub api_version: Box<str>,
    /// `kind`.
    pub kind: Box<str>,
}

/// One object of a resource, immutable.
pub struct Entry {
    key: Key,
    name_start: u32,
    object_start: u32,
    revision: Revision,
    body: Bytes,
    digits: Range<u32>,
    uid: Range<u32>,
    labels: Labels,
    fields: Fields,
    stored_as: Arc<TypeMeta>,
    deleting: bool,
}

impl Entry {
    /// The store's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The namespace; empty for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        let (start, end) = (index(self.object_start), index(self.name_start));
        self.key.get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.get(index(self.name_start)..).unwrap_or_default()
    }

    /// The key without the name.
    pub(super) fn folder(&self) -> &str {
        self.key.get(..index(self.name_start)).unwrap_or_default()
    }

    /// The revision it was written at, which is its resourceVersion.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The JSON object without apiVersion and kind, with its resourceVersion. An answer to a get is
    /// `{"kind":"…","apiVersion":"…",` and this without its leading brace.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same bytes, to look fields up.
    pub fn view(&self) -> View<'_> {
        View::of_value(&self.body)
    }

    /// The uid; empty if it has none.
    pub fn uid(&self) -> &str {
        let uid = self.body.get(index(self.uid.start)..index(self.uid.end));
        uid.and_then(|uid| std::str::from_utf8(uid).ok()).unwrap_or_default()
    }

    /// The labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The values of the selectable fields, in the order the indexer gave them.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether it has a deletionTimestamp.
    pub fn is_deleting(&self) -> bool {
        self.deleting
    }

    /// The apiVersion and kind it was stored with.
    pub fn stored_as(&self) -> &TypeMeta {
        &self.stored_as
    }

    /// The same object with another resourceVersion: how a watch shows what it takes away.
    #[must_use]
    pub fn with_revision(&self, revision: Revision) -> Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(revision.0).as_bytes();
        let (before, old) = self.body.split_at(index(self.digits.start).min(self.body.len()));
        let after = old.get(index(self.digits.end - self.digits.start)..).unwrap_or_default();
        let body = [before, digits, after].concat();
        let end = self.digits.start + narrow(digits.len());
        // The uid comes before the revision, or is not there.
        Self {
            key: self.key.clone(),
            name_start: self.name_start,
            object_start: self.object_start,
            revision,
            body: body.into(),
            digits: self.digits.start..end,
            uid: self.uid.clone(),
            labels: self.labels.clone(),
            fields: self.fields.clone(),
            stored_as: self.stored_as.clone(),
            deleting: self.deleting,
        }
        .counted()
    }

    fn counted(self) -> Self {
        HELD.fetch_add(self.weight(), Ordering::Relaxed);
        self
    }

    /// About how much memory it takes.
    fn weight(&self) -> u64 {
        let bytes = OVERHEAD + LABEL * self.labels.len() + 2 * self.key.len() + self.body.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// What an entry takes beside its key and body: itself, its labels and fields, its places in the map.
const OVERHEAD: usize = 320;

/// What the place of a label in the index takes.
const LABEL: usize = 40;

/// How much memory all entries of the process take, whoever holds them.
static HELD: AtomicU64 = AtomicU64::new(0);

/// About how many bytes of memory the objects take that caches, events, snapshots and readers hold.
pub fn held_bytes() -> u64 {
    HELD.load(Ordering::Relaxed)
}

impl Drop for Entry {
    fn drop(&mut self) {
        HELD.fetch_sub(self.weight(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Makes the entries of one resource.
pub(super) struct Maker {
    prefix: usize,
    indexer: Arc<dyn Indexer>,
    finding: Arc<[usize]>,
    types: Mutex<Vec<Arc<TypeMeta>>>,
}

/// Kinds and versions under one prefix are few; beyond this many, entries keep their own.
const TYPES: usize = 16;

impl Maker {
    pub(super) fn new(prefix: &str, indexer: Arc<dyn Indexer>) -> Self {
        let finding = indexer.finding().into();
        Self { prefix: prefix.len(), indexer, finding, types: Mutex::new(Vec::new()) }
    }

    /// The places of the fields that objects are found by.
    pub(super) fn finding(&self) -> Arc<[usize]> {
        self.finding.clone()
    }

    pub(super) fn make(&self, key: &Key, revision: Revision, stored: &[u8]) -> Result<Entry, JsonError> {
        let object = Object::parse(stored)?;
        let Spliced { body, revision: digits, uid } = object.splice(revision);
        if u32::try_from(body.len()).is_err() {
            return Err(JsonError::TooLarge);
        }
        let mut fields = Vec::<Box<str>>::new();
        self.indexer.fields(&mut object.parts(), &mut |value| fields.push(value.into()));
        let name_start = key.rfind('/').map_or(0, |slash| slash + 1).max(self.prefix);
        Ok(Entry {
            key: key.clone(),
            name_start: narrow(name_start),
            object_start: narrow(self.prefix),
            revision,
            digits: narrow(digits.start)..narrow(digits.end),
            uid: narrow(uid.start)..narrow(uid.end),
            body: body.into(),
            labels: labels(object.labels),
            fields: Fields::new(fields),
            stored_as: self.type_meta(object.api_version, object.kind)?,
            deleting: object.deleting,
        }
        .counted())
    }

    fn type_meta(&self, api_version: View<'_>, kind: View<'_>) -> Result<Arc<TypeMeta>, JsonError> {
        let (Some(api_version), Some(kind)) = (api_version.str(), kind.str()) else {
            return Err(JsonError::NoTypeMeta);
        };
        let mut types = self.types.lock();
        let same = |known: &&Arc<TypeMeta>| *known.api_version == *api_version && *known.kind == *kind;
        if let Some(known) = types.iter().find(same) {
            return Ok(known.clone());
        }
        let fresh = Arc::new(TypeMeta { api_version: (&*api_version).into(), kind: (&*kind).into() });
        if types.len() < TYPES {
            types.push(fresh.clone());
        }
        Ok(fresh)
    }
}

fn labels(labels: Option<View<'_>>) -> Labels {
    match labels {
        Some(labels) => Labels::new(labels.members().filter_map(|(key, value)| Some((key, value.str()?)))),
        None => Labels::default(),
    }
}

/// Places in a body, which is shorter than 4 GiB, or in a key, which is much shorter.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
