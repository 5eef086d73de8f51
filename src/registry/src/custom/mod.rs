//! Custom resources: definitions become resources that are served like any other.
//!
//! ```text
//! a definition is written
//!   -> keeper      wakes, and looks at all definitions that changed
//!      -> names       which names it gets, and its conditions (pure)
//!      -> definition  its schemas, compiled
//!      -> serving     per version: rules, columns, paths, other versions
//!      -> Custom      what is served now, swapped as a whole
//!      -> finalize    of one that is deleted: its objects first, then itself
//! ```
//!
//! A definition's write is answered when its resources are served (or a second has passed), so that a
//! client may use them at once. Nothing is leaked: a resource lives as long as requests and streams use it.

mod columns;
mod conversion;
mod convert_hook;
mod definition;
mod elsewhere;
mod finalize;
pub(crate) mod keeper;
mod metrics;
pub(crate) mod names;
pub(crate) mod scale;
mod serving;
mod show;
mod strategy;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_api::{ApiError, GroupResource, Gvk, Object, compare_versions};
use portcullis_schema::Row;
use portcullis_storage::Revision;
use tokio::sync::{Notify, watch};

use crate::Registry;
use crate::resource::Resource;

pub(crate) use definition::{Definition, Version};
pub(crate) use elsewhere::{Asking, Elsewhere};
pub(crate) use finalize::{FINALIZER, begin_deletion};
pub(crate) use serving::{Serving, row_of};

/// How long the write of a definition waits for the keeper.
const PATIENCE: Duration = Duration::from_secs(1);

/// The group and name of definitions.
pub(crate) const DEFINITIONS: (&str, &str, &str) =
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions");

/// 403 for a new object of a definition that goes away.
pub(crate) fn terminating(gr: &GroupResource, name: &str) -> ApiError {
    ApiError::forbidden(gr, name, "create not allowed while custom resource definition is terminating")
}

/// A custom resource as discovery and OpenAPI tell of it.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its names and what may be done.
    pub row: Row,
    /// The name of its definition.
    pub definition: String,
    /// Changes with its schema.
    pub tag: [u8; 32],
}

type Publish = Box<dyn Fn(Vec<Published>) + Send + Sync>;

/// All custom resources that are served now.
pub(crate) struct Custom {
    served: ArcSwap<Served>,
    /// Told of each change of what is served, before anybody can know of it otherwise.
    publish: OnceLock<Publish>,
    /// Up to which revision definitions have been looked at.
    settled: watch::Sender<Revision>,
    /// Wakes the keeper.
    wake: Notify,
}

/// What is served at one moment.
#[derive(Default)]
struct Served {
    /// By the definition's name.
    definitions: HashMap<String, Arc<Bound>>,
    /// By group.
    groups: HashMap<Arc<str>, Vec<Arc<Resource>>>,
}

/// A definition and its resources, one for each version that is served.
struct Bound {
    definition: Arc<Definition>,
    resources: Vec<Arc<Resource>>,
    /// How its objects are read where a version does not matter: as they are stored.
    storage: Arc<Resource>,
    established: bool,
    terminating: bool,
}

impl Default for Custom {
    fn default() -> Self {
        Self {
            served: ArcSwap::default(),
            publish: OnceLock::new(),
            settled: watch::Sender::new(Revision::UNSET),
            wake: Notify::new(),
        }
    }
}

impl Custom {
    /// A served version of a custom resource.
    pub(crate) fn find(&self, group: &str, version: &str, resource: &str) -> Option<Arc<Resource>> {
        let served = self.served.load();
        let group = served.groups.get(group)?;
        let named =
            |one: &&Arc<Resource>| *one.row.gvr.gv.version == *version && *one.gr.resource == *resource;
        group.iter().find(named).cloned()
    }

    /// The served version of a custom resource whose objects are of this kind.
    pub(crate) fn of_kind(&self, kind: &Gvk) -> Option<Arc<Resource>> {
        let served = self.served.load();
        served.groups.get(&kind.gv.group)?.iter().find(|one| one.gvk() == kind).cloned()
    }

    /// Waits until the keeper has seen a revision, but not forever.
    pub(crate) async fn settle(&self, revision: Revision) {
        self.wake.notify_one();
        let mut settled = self.settled.subscribe();
        // Both endings are fine: the definition is as it is, and will be served when it can be.
        let _ = tokio::time::timeout(PATIENCE, settled.wait_for(|seen| *seen >= revision)).await;
    }

    /// All served versions of a definition.
    pub(crate) fn versions(&self, definition: &Definition) -> Vec<Arc<Resource>> {
        self.bound(&definition.name).map(|bound| bound.resources.clone()).unwrap_or_default()
    }

    /// How a definition is served.
    fn bound(&self, name: &str) -> Option<Arc<Bound>> {
        self.served.load().definitions.get(name).cloned()
    }

    /// What is served and established, in discovery's order.
    fn published(&self) -> Vec<Published> {
        let served = self.served.load();
        let mut all = Vec::new();
        for bound in served.definitions.values().filter(|bound| bound.established) {
            all.extend(
                bound.resources.iter().filter_map(|resource| Published::of(resource, bound.terminating)),
            );
        }
        all.sort_by(|a, b| {
            let (one, other) = (&a.row.gvr, &b.row.gvr);
            one.gv
                .group
                .cmp(&other.gv.group)
                .then_with(|| compare_versions(&other.gv.version, &one.gv.version))
                .then_with(|| one.resource.cmp(&other.resource))
        });
        all
    }

    fn replace(&self, served: Served) {
        self.served.store(Arc::new(served));
        if let Some(publish) = self.publish.get() {
            publish(self.published());
        }
    }
}

impl Served {
    fn of(definitions: HashMap<String, Arc<Bound>>) -> Self {
        let mut groups: HashMap<Arc<str>, Vec<Arc<Resource>>> = HashMap::new();
        for bound in definitions.values() {
            let group = groups.entry(bound.definition.group.clone()).or_default();
            group.extend(bound.resources.iter().cloned());
        }
        Self { definitions, groups }
    }
}

impl Registry {
    /// A stored definition.
    pub fn definition(&self, name: &str) -> Option<Object> {
        let (group, version, resource) = DEFINITIONS;
        let definitions = self.resources().get(group, version, resource)?;
        let entry = definitions.entry(&definitions.key("", name)).ok()??;
        definitions.bare_tree(&entry).ok()
    }

    /// Tells `publish` which custom resources are served, now and whenever that changes. There is one to
    /// tell: a second call has no effect.
    pub fn publish_custom(&self, publish: impl Fn(Vec<Published>) + Send + Sync + 'static) {
        let custom = self.resources().custom();
        publish(custom.published());
        let _ = custom.publish.set(Box::new(publish));
        // What changed between the two lines is told again.
        if let Some(publish) = custom.publish.get() {
            publish(custom.published());
        }
    }
}

impl Published {
    /// A resource that goes away takes nothing in any more.
    fn of(resource: &Resource, terminating: bool) -> Option<Self> {
        let mut row = resource.row.clone().into_owned();
        if terminating {
            let takes = |verb: &&str| matches!(*verb, "create" | "patch" | "update");
            row.verbs = row.verbs.iter().copied().filter(|verb| !takes(verb)).collect();
        }
        let serving = resource.custom()?;
        Some(Self { row, definition: serving.definition().name.clone(), tag: serving.schema() })
    }
}
