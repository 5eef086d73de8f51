//! What rules ask of namespaces: their labels, and which resources lie in none. Maintained commit by commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use serde::Deserialize;

use super::pattern::Pattern;
use crate::attributes::Resource;

/// Labels by namespace. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct NamespaceLabels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    labels: RwLock<HashMap<Box<str>, Labels>>,
    /// Custom resources that lie in no namespace, by the names of their definitions: `plural.group`.
    outside: RwLock<HashSet<Box<str>>>,
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

#[derive(Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Deserialize)]
struct DefinitionSpec {
    scope: String,
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

    /// Notes a definition of a custom resource as it is stored now, or that it is gone.
    pub fn observe_definition(&self, name: &str, body: Option<&[u8]>) {
        let definition = body.and_then(|body| serde_json::from_slice::<Definition>(body).ok());
        let outside = definition.is_some_and(|definition| definition.spec.scope == "Cluster");
        let mut known = self.0.outside.write();
        let changed = if outside { known.insert(name.into()) } else { known.remove(name) };
        drop(known);
        if changed {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Whether a resource is known to lie in no namespace. A namespace lies in itself.
    pub(super) fn is_outside(&self, asked: &Resource<'_>) -> bool {
        if asked.group.is_empty() && asked.resource == "namespaces" {
            return false;
        }
        BUILT_IN.contains(&(asked.group, asked.resource)) || {
            let outside = self.0.outside.read();
            !outside.is_empty() && outside.contains(&*format!("{}.{}", asked.resource, asked.group))
        }
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

/// Group and resource of what is built in and lies in no namespace.
static BUILT_IN: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| cluster_scoped().collect());

/// The built-in resources that lie in no namespace, by group and name.
pub fn cluster_scoped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../data/cluster-scoped.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).skip(1).filter_map(|line| line.split_once('\t'))
}
