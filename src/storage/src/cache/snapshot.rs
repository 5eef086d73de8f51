//! A resource at one revision.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::objects::{Objects, Trait};
use super::{Entry, Event};
use crate::Revision;

/// All objects of a resource at one revision. Taking and cloning one is cheap whatever its size.
#[derive(Clone)]
pub struct Snapshot {
    revision: Revision,
    objects: Objects,
}

impl Snapshot {
    pub(super) fn new(revision: Revision, objects: Objects) -> Self {
        Self { revision, objects }
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.by_key().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.objects.by_key().is_empty()
    }

    /// One object.
    pub fn get(&self, key: &str) -> Option<&Arc<Entry>> {
        self.objects.by_key().get(key)
    }

    /// All objects in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.objects.by_key().values()
    }

    /// The objects whose key starts with `prefix`, which ends with a slash, in key order, from the first
    /// after `after` on.
    pub fn under<'a>(
        &'a self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + Send + use<'a> {
        self.objects.under(prefix, after)
    }

    /// Among the objects under a prefix all that have every one of these traits, and others: who asks looks
    /// at each of them. Few come where one of the traits is rare.
    pub fn having<'a>(
        &'a self,
        traits: &[Trait<'_>],
        prefix: &str,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Entry>> + Send + 'a> {
        let key = traits.iter().find_map(|one| if let Trait::Key(key) = one { Some(*key) } else { None });
        if let Some(key) = key {
            let there = key.starts_with(prefix) && after.is_none_or(|after| key > after);
            return Box::new(self.get(key).filter(|_| there).into_iter());
        }
        match self.objects.rarest(traits, prefix, after) {
            Some(rarest) => Box::new(self.objects.having(rarest, prefix, after)),
            None => Box::new(self.objects.under(prefix, after)),
        }
    }

    /// How many objects there are under a prefix, which is a namespace's or the resource's.
    pub fn count_under(&self, prefix: &str) -> usize {
        self.objects.count_under(prefix)
    }

    /// The same resource before `events`, which are all since `revision`, newest first.
    pub(super) fn rewound(mut self, revision: Revision, events: &[Arc<Event>]) -> Self {
        for event in events {
            let key = event.entry.key();
            match &event.previous {
                Some(previous) => self.objects.insert(key.clone(), previous.clone()),
                None => self.objects.remove(key),
            };
        }
        self.revision = revision;
        self
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("revision", &self.revision)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Snapshots of the past that pagers come back for.
#[derive(Default)]
pub(super) struct Recent(VecDeque<(Instant, Snapshot)>);

const KEPT: usize = 8;
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

impl Recent {
    pub(super) fn find(&mut self, revision: Revision) -> Option<Snapshot> {
        self.0.retain(|(kept, _)| kept.elapsed() < KEPT_FOR);
        let at = self.0.iter().position(|(_, kept)| kept.revision == revision)?;
        let (kept, found) = self.0.remove(at)?;
        self.0.push_back((kept, found.clone()));
        Some(found)
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), snapshot));
    }
}
