//! One served version of a definition: what the verbs ask of a resource beyond its row and schema.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use parking_lot::Mutex;
use portcullis_api::{ApiError, GroupVersion, Gvk, Map, Object, Result, Value};
use portcullis_schema::custom::CustomKind;
use portcullis_schema::managed::{ShapeRef, Versions, Writable};
use portcullis_schema::{Row, Store, Subresource, Word};
use portcullis_storage::{Entry, Key};

use super::columns::Columns;
use super::definition::{Definition, Version, words};
use super::elsewhere::{Asking, Elsewhere};
use super::scale::ScalePaths;
use super::strategy::{Main, Rules, Status};
use crate::kinds::check::text;
use crate::strategy::Strategy;

/// What may be done with custom objects, in discovery's words and order.
pub(super) const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// More objects that had to be converted are not kept; they are converted again when they are asked for.
const MAX_KEPT: usize = 8192;

/// All versions of a definition share their events, but each has a head of its own.
static FORMS: AtomicU16 = AtomicU16::new(1);

/// A served version.
pub(crate) struct Serving {
    definition: Arc<Definition>,
    main: Main,
    status: Status,
    scale: Option<ScalePaths>,
    columns: Arc<Columns>,
    /// Versions whose stored objects look the same in this one.
    alike: Vec<String>,
    versions: Others,
    versions_of_status: Others,
    kept: Mutex<HashMap<Key, Arc<Entry>>>,
    over: AtomicBool,
    form: u16,
    schema: [u8; 32],
}

/// How objects look in other versions, for one endpoint, where versions differ in their name only.
pub(super) struct Others {
    definition: Arc<Definition>,
    of_status: bool,
}

impl Serving {
    /// What the verbs need of one version.
    pub(crate) fn new(definition: &Arc<Definition>, version: &Version) -> Self {
        let rules = Arc::new(Rules {
            kind: version.kind.clone(),
            namespaced: definition.scope == portcullis_api::Scope::Namespaced,
            has_status: version.has_status,
            scale: version.scale.clone(),
        });
        let converts = definition.conversion.is_webhook();
        let alike = |other: &&Arc<Version>| {
            other.name == version.name || (!converts && other.schema == version.schema)
        };
        let others = |of_status| Others { definition: definition.clone(), of_status };
        Self {
            main: Main(rules.clone()),
            status: Status(rules),
            schema: version.schema,
            scale: version.scale.clone(),
            columns: version.columns.clone(),
            alike: definition
                .versions
                .iter()
                .filter(alike)
                .map(|version| version.kind.api_version().to_owned())
                .collect(),
            versions: others(false),
            versions_of_status: others(true),
            kept: Mutex::default(),
            over: AtomicBool::new(false),
            form: FORMS.fetch_add(1, Ordering::Relaxed).max(1),
            definition: definition.clone(),
        }
    }

    /// The number under which its events are shared among watchers.
    pub(crate) fn form(&self) -> u16 {
        self.form
    }

    /// Ends the streams that were opened by these rules.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether the definition was changed or removed since.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The rules of an endpoint.
    pub(crate) fn strategy(&self, subresource: &str) -> Option<&dyn Strategy> {
        match subresource {
            "" => Some(&self.main),
            "status" => Some(&self.status),
            _ => None,
        }
    }

    /// The definition.
    pub(crate) fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Where the replicas are, if it scales.
    pub(crate) fn scale(&self) -> Option<&ScalePaths> {
        self.scale.as_ref()
    }

    /// The paths of the replicas in all versions.
    pub(crate) fn replica_paths(&self) -> Vec<(&str, Option<Vec<&str>>)> {
        let versions = self.definition.versions.iter();
        versions.map(|it| (it.kind.api_version(), it.scale.as_ref().map(ScalePaths::spec_steps))).collect()
    }

    /// Tells its schema from others.
    pub(super) fn schema(&self) -> [u8; 32] {
        self.schema
    }

    /// The columns of its table.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How objects look in other versions.
    pub(crate) fn versions<'k>(&'k self, subresource: &str, elsewhere: &'k Elsewhere) -> Asking<'k> {
        let others = if subresource == "status" { &self.versions_of_status } else { &self.versions };
        Asking { others, elsewhere }
    }

    /// Which fields an endpoint sets.
    pub(crate) fn writable(&self, subresource: &str) -> Writable<'static> {
        match subresource {
            "status" => Writable::STATUS_ONLY,
            "" if self.main.0.has_status => Writable::ALL_BUT_STATUS,
            _ => Writable::ALL,
        }
    }

    /// Whether a stored object can be shown as it is: written by the present rules, in a version that
    /// looks the same.
    pub(crate) fn shows(&self, entry: &Entry) -> bool {
        entry.revision() > self.definition.since && self.is_alike(&entry.stored_as().api_version)
    }

    /// Whether another version of an object may have other labels.
    pub(crate) fn may_relabel(&self) -> bool {
        self.definition.conversion.is_webhook()
    }

    fn is_alike(&self, api_version: &str) -> bool {
        self.alike.iter().any(|one| one == api_version)
    }

    /// An object as it was shown before, if it did not change since.
    pub(crate) fn kept(&self, entry: &Entry) -> Option<Arc<Entry>> {
        let kept = self.kept.lock();
        kept.get(entry.key()).filter(|known| known.revision() == entry.revision()).cloned()
    }

    /// Remembers how an object is shown.
    pub(crate) fn keep(&self, entry: Arc<Entry>) {
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(entry.key().clone(), entry);
    }

    /// Brings a stored tree up to the present rules of the version it was stored in, and says which that is.
    pub(crate) fn refresh(&self, tree: &mut Object, stored_as: &str) -> Result<()> {
        // A version that is gone is read by the rules of this one.
        let version = self.definition.version(stored_as);
        let kind = version.map_or(&self.main.0.kind, |version| &version.kind);
        tree.map_mut().insert("apiVersion".to_owned(), kind.api_version().into());
        tree.map_mut().insert("kind".to_owned(), (&*kind.gvk().kind).into());
        tidy(kind, tree);
        kind.fill_defaults(tree).map_err(|why| ApiError::internal(why.to_string()))
    }

    /// One object of any version in another.
    ///
    /// # Errors
    /// When it cannot be converted.
    pub(crate) async fn converted(&self, object: Object, to: &str) -> Result<Object> {
        let mut objects = [object];
        self.convert(&mut objects, to).await?;
        let [object] = objects;
        Ok(object)
    }

    /// Brings objects of any version into one.
    ///
    /// # Errors
    /// When they cannot be converted.
    pub(crate) async fn convert(&self, trees: &mut [Object], to: &str) -> Result<()> {
        let version = self.definition.version(to);
        let version = version.ok_or_else(|| ApiError::internal(format!("{to} is not in its definition")))?;
        self.definition.conversion.convert(trees, to).await?;
        for tree in trees {
            tree.map_mut().insert("apiVersion".to_owned(), to.into());
            tidy(&version.kind, tree);
        }
        Ok(())
    }
}

/// What is not specified goes; generations that very old objects lack are filled in.
fn tidy(kind: &CustomKind, tree: &mut Object) {
    kind.prune(tree);
    if tree.generation() == 0 {
        tree.metadata_mut().insert("generation".to_owned(), 1.into());
    }
}

impl Others {
    /// Whether a webhook makes one version of another.
    pub(super) fn is_converted(&self) -> bool {
        self.definition.conversion.is_webhook()
    }
}

impl Versions for Others {
    fn convert(
        &self,
        object: &Map<String, Value>,
        api_version: &str,
    ) -> Option<(ShapeRef<'_>, Map<String, Value>)> {
        let version = self.definition.version(api_version)?;
        let mut converted = object.clone();
        converted.insert("apiVersion".to_owned(), api_version.into());
        Some((version.kind.structural().shape().shape(), converted))
    }

    fn writable(&self, api_version: &str) -> Writable<'_> {
        let version = self.definition.version(api_version);
        if self.of_status && version.is_some_and(|version| version.has_status) {
            Writable::STATUS_ONLY
        } else {
            Writable::ALL
        }
    }
}

/// The row of a version, as built-in resources have one.
pub(crate) fn row_of(definition: &Definition, version: &Version) -> Row {
    let gvk = version.kind.gvk();
    let names = &definition.names;
    let listed = |field: &str| words(names, field).into_iter().map(Word::Owned).collect();
    let status = version.has_status.then(|| subresource("status", gvk.clone()));
    let scale = Gvk::new(GroupVersion::new("autoscaling", "v1"), "Scale");
    let scale = version.scale.as_ref().map(|_| subresource("scale", scale));
    let selectable = version.selectable.iter().cloned();
    Row {
        gvr: portcullis_api::Gvr::new(gvk.gv.clone(), definition.plural()),
        list_kind: text(names, "listKind").to_owned(),
        singular: text(names, "singular").to_owned().into(),
        scope: definition.scope,
        short_names: listed("shortNames"),
        categories: listed("categories"),
        verbs: VERBS.into(),
        subresources: status.into_iter().chain(scale).collect(),
        store: Some(Store {
            prefix: definition.prefix().into(),
            gv: definition.storage().kind.gvk().gv.clone(),
        }),
        columns: Box::default(),
        selectable: metadata_fields(definition).chain(selectable).map(Cow::Owned).collect(),
        deprecation: version.deprecation.clone().map(Cow::Owned),
        gvk: gvk.clone(),
    }
}

fn metadata_fields(definition: &Definition) -> impl Iterator<Item = String> {
    let namespaced = definition.scope == portcullis_api::Scope::Namespaced;
    let fields = ["metadata.name", "metadata.namespace"].into_iter().take(if namespaced { 2 } else { 1 });
    fields.map(str::to_owned)
}

fn subresource(name: &'static str, gvk: Gvk) -> Subresource {
    Subresource { name, gvk, verbs: SUBRESOURCE_VERBS.into() }
}
