//! The labels of namespaces, for rules that ask for them. Maintained commit by commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use serde::Deserialize;

use super::pattern::Pattern;

/// Labels by namespace. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct NamespaceLabels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    labels: RwLock<HashMap<Box<str>, Labels>>,
    generation: AtomicU64,
}

type Labels = BTreeMap<Box<str>, Box<str>>;

#[derive(Deserialize)]
struct Stored {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: Labels,
}

impl NamespaceLabels {
    /// No namespace is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a namespace as it is stored now, or that it is gone.
    pub fn observe(&self, name: &str, body: Option<&[u8]>) {
        let stored = body.and_then(|body| serde_json::from_slice::<Stored>(body).ok());
        let labels = stored.map(|stored| stored.metadata.labels);
        let mut known = self.0.labels.write();
        if known.get(name) == labels.as_ref() {
            return;
        }
        match labels {
            Some(labels) => known.insert(name.into(), labels),
            None => known.remove(name),
        };
        drop(known);
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Counts the changes.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Whether a namespace has labels like these; `None` if it is not known.
    pub(super) fn all_match(&self, namespace: &str, wanted: &[(Box<str>, Pattern)]) -> Option<bool> {
        let known = self.0.labels.read();
        let labels = known.get(namespace)?;
        let has = |(key, pattern): &(Box<str>, Pattern)| labels.get(key).is_some_and(|v| pattern.matches(v));
        Some(wanted.iter().all(has))
    }

    /// The labels of a namespace.
    pub(super) fn of(&self, namespace: &str) -> Option<Vec<(Box<str>, Box<str>)>> {
        let known = self.0.labels.read();
        Some(known.get(namespace)?.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
