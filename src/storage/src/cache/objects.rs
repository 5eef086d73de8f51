//! The objects of a resource as a persistent map, with two ways around looking at all of them: the keys that
//! have a label, or a field of a value that few objects share, and how many objects there are in a namespace.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use smallvec::SmallVec;

use super::Entry;
use crate::Key;

/// What objects may be found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trait<'a> {
    /// A label and its value.
    Label(&'a str, &'a str),
    /// Its key in the store.
    Key(&'a str),
    /// The place of a field among those that its resource's indexer finds objects by, and its value.
    Field(usize, &'a str),
}

impl Trait<'_> {
    pub(super) fn hashed(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// That an object has a trait. Traits whose hashes are equal are told apart by who looks at the object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tag {
    hash: u64,
    key: Key,
}

/// All objects of a resource. A clone shares everything with its original.
#[derive(Clone)]
pub(super) struct Objects {
    /// The places of the fields that objects are found by.
    finding: Arc<[usize]>,
    by_key: OrdMap<Key, Arc<Entry>>,
    tags: OrdSet<Tag>,
    /// How many keys begin with a namespace's prefix.
    counts: OrdMap<Arc<str>, usize>,
}

impl Objects {
    pub(super) fn new(finding: Arc<[usize]>, entries: impl IntoIterator<Item = (Key, Arc<Entry>)>) -> Self {
        let (by_key, tags, counts) = Default::default();
        let mut objects = Self { finding, by_key, tags, counts };
        for (key, entry) in entries {
            objects.insert(key, entry);
        }
        objects
    }

    pub(super) fn by_key(&self) -> &OrdMap<Key, Arc<Entry>> {
        &self.by_key
    }

    pub(super) fn insert(&mut self, key: Key, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let previous = self.by_key.insert(key, entry.clone());
        match &previous {
            Some(previous) if self.same_traits(previous, &entry) => {}
            Some(previous) => {
                self.untag(previous);
                self.tag(&entry);
            }
            None => {
                self.count(&entry);
                self.tag(&entry);
            }
        }
        previous
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Arc<Entry>> {
        let removed = self.by_key.remove(key)?;
        self.untag(&removed);
        self.discount(&removed);
        Some(removed)
    }

    /// The objects whose keys start with a prefix, which ends with a slash, in key order, from the first
    /// after `after` on.
    pub(super) fn under<'a>(
        &'a self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + Send + use<'a> {
        let end = beyond(prefix);
        let start = match after {
            Some(after) if after >= &*end => Bound::Included(&*end),
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.by_key.range::<_, str>((start, Bound::Excluded(&*end))).map(|(_, entry)| entry)
    }

    /// The same of those that have a trait, and of some others perhaps.
    pub(super) fn having<'a>(
        &'a self,
        wanted: Trait<'_>,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + Send + use<'a> {
        self.tagged(wanted, prefix, after).filter_map(|tag| self.by_key.get(&tag.key))
    }

    /// Which trait the fewest objects under a prefix have, if those are few beside all objects.
    pub(super) fn rarest<'t>(
        &self,
        wanted: &[Trait<'t>],
        prefix: &str,
        after: Option<&str>,
    ) -> Option<Trait<'t>> {
        /// Finding an object by its key is so many times dearer than going to the next one.
        const DEARER: usize = 4;
        if wanted.is_empty() {
            return None;
        }
        let few = self.by_key.len() / DEARER;
        let mut racing: Vec<_> = wanted.iter().map(|one| (*one, self.tagged(*one, prefix, after))).collect();
        // Whoever is through first has the fewest.
        for _ in 0..few {
            if let Some(first) =
                racing.iter_mut().find_map(|(one, tags)| tags.next().is_none().then_some(*one))
            {
                return Some(first);
            }
        }
        None
    }

    /// How many objects there are under a prefix, which is a namespace's or the resource's.
    pub(super) fn count_under(&self, prefix: &str) -> usize {
        match (self.counts.get(prefix), self.by_key.get_min()) {
            (Some(count), _) => *count,
            (None, Some((first, _))) if first.starts_with(prefix) => self.by_key.len(),
            (None, _) => 0,
        }
    }

    fn tagged<'a>(
        &'a self,
        wanted: Trait<'_>,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Tag> + Send + use<'a> {
        let hash = wanted.hashed();
        let place = |key: &str| Tag { hash, key: key.into() };
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(place(after)),
            _ => Bound::Included(place(prefix)),
        };
        self.tags.range((start, Bound::Excluded(place(&beyond(prefix)))))
    }

    fn tag(&mut self, entry: &Entry) {
        for hash in self.hashes(entry) {
            self.tags.insert(Tag { hash, key: entry.key().clone() });
        }
    }

    fn untag(&mut self, entry: &Entry) {
        for hash in self.hashes(entry) {
            self.tags.remove(&Tag { hash, key: entry.key().clone() });
        }
    }

    /// What an object can be found by: its labels, and fields that have a value.
    pub(super) fn hashes(&self, entry: &Entry) -> SmallVec<[u64; 16]> {
        let fields = self.finding.iter().map(|place| (*place, entry.fields().get(*place)));
        let fields = fields.filter(|(_, value)| !value.is_empty());
        let fields = fields.map(|(place, value)| Trait::Field(place, value).hashed());
        let labels = entry.labels().iter().map(|(key, value)| Trait::Label(key, value).hashed());
        labels.chain(fields).collect()
    }

    pub(super) fn same_traits(&self, one: &Entry, other: &Entry) -> bool {
        let same = |place: &usize| one.fields().get(*place) == other.fields().get(*place);
        one.labels() == other.labels() && self.finding.iter().all(same)
    }

    fn count(&mut self, entry: &Entry) {
        match self.counts.get_mut(entry.folder()) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(entry.folder().into(), 1);
            }
        }
    }

    fn discount(&mut self, entry: &Entry) {
        if let Some(count) = self.counts.get_mut(entry.folder()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(entry.folder());
            }
        }
    }
}

/// The first text after all that start with a prefix that ends with a slash.
fn beyond(prefix: &str) -> String {
    let mut end = prefix.strip_suffix('/').unwrap_or(prefix).to_owned();
    end.push('0');
    end
}
