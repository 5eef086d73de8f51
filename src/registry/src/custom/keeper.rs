//! Keeps definitions and what is served in step.
//!
//! It wakes with every change of a definition, looks at those that changed, gives names, says what it
//! found in their status and publishes their resources. It publishes before it writes: whoever reads that
//! a definition is established finds its objects served.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ApiError, Object, Reason, Result, Value, Verb};
use portcullis_authz::Permit;
use portcullis_storage::{Caches, Entry, ResourceCache, Revision, WatchStart};
use tracing::warn;

use super::definition::Definition;
use super::names::{self, APPROVAL, Condition, ESTABLISHED, NAMES_ACCEPTED, TERMINATING, Taken};
use super::{Bound, Custom, DEFINITIONS, FINALIZER, Served, finalize};
use crate::Registry;
use crate::door::storage_error;
use crate::kinds::check::text;
use crate::kinds::others::approval_condition;
use crate::options::WriteOptions;
use crate::own::Own;
use crate::resource::Resource;
use crate::verbs::update::{self, Change};

/// What failed is tried again this often, and changes elsewhere are noticed at the latest.
const RETRY: Duration = Duration::from_secs(1);
/// A definition's status takes two or three rounds to settle.
const MAX_ROUNDS: usize = 16;
/// As whom the status of definitions is written.
const MANAGER: &str = "kube-apiserver";

/// What the keeper remembers between two rounds.
#[derive(Default)]
struct Keeper {
    /// Definitions by name: the revision that was looked at, and the definition without its versions.
    known: BTreeMap<String, (Revision, Object)>,
    /// Definitions whose objects are being deleted.
    finalizing: Arc<Mutex<HashSet<String>>>,
}

/// Serves what is stored, and begins to follow changes.
///
/// # Errors
/// When definitions cannot be read.
pub(crate) async fn start(registry: &Arc<Registry>) -> Result<()> {
    let mut keeper = Keeper::default();
    keeper.pass(registry).await?;
    let task = run(keeper, Arc::downgrade(registry), registry.resources().custom().clone(), cache(registry)?);
    registry.keep_task(tokio::spawn(task));
    Ok(())
}

fn definitions(registry: &Registry) -> Result<&Arc<Resource>> {
    let (group, version, resource) = DEFINITIONS;
    let found = registry.resources().get(group, version, resource);
    found.ok_or_else(|| ApiError::internal("definitions are not served"))
}

fn cache(registry: &Registry) -> Result<Arc<ResourceCache>> {
    definitions(registry)?.cache().cloned()
}

async fn run(mut keeper: Keeper, registry: Weak<Registry>, custom: Arc<Custom>, cache: Arc<ResourceCache>) {
    loop {
        let Ok(mut watcher) = cache.watch(WatchStart::Initial).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        loop {
            let Some(strong) = registry.upgrade() else { return };
            if let Err(error) = keeper.pass(&strong).await {
                warn!(why = error.message(), "Definitions could not be brought up to date");
            }
            drop(strong);
            tokio::select! {
                batch = watcher.next_batch() => if batch.is_err() { break },
                () = custom.wake.notified() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

impl Keeper {
    /// Rounds until nothing is left to be written.
    async fn pass(&mut self, registry: &Arc<Registry>) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            let snapshot = definitions(registry)?.snapshot()?;
            let entries: Vec<Arc<Entry>> = snapshot.iter().cloned().collect();
            let changed = self.read(&entries);
            let wanted = self.decide();
            if changed || !wanted.is_empty() {
                self.publish(registry, &entries).await?;
            }
            self.finalize(registry);
            if wanted.is_empty() {
                registry.resources().custom().settled.send_replace(snapshot.revision());
                return Ok(());
            }
            self.write(registry, &wanted).await?;
        }
        Ok(())
    }

    /// Writes what definitions are to be told. One that cannot be written keeps no other from it.
    async fn write(&mut self, registry: &Registry, wanted: &[Object]) -> Result<()> {
        let mut outcome = Ok(());
        for definition in wanted {
            if let Err(error) = write_status(registry, definition).await {
                self.known.remove(definition.name());
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Reads what changed; true if anything did.
    fn read(&mut self, entries: &[Arc<Entry>]) -> bool {
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name()).collect();
        let before = self.known.len();
        self.known.retain(|name, _| names.contains(name.as_str()));
        let mut changed = self.known.len() != before;
        for entry in entries {
            let known = self.known.get(entry.name());
            if known.is_some_and(|(revision, _)| *revision == entry.revision()) {
                continue;
            }
            let mut tree = match parse(entry) {
                Ok(tree) => tree,
                Err(error) => {
                    warn!(definition = entry.name(), why = error.message(), "A definition cannot be read");
                    continue;
                }
            };
            tree.remove_at(&["spec", "versions"]);
            tree.metadata_mut().remove("managedFields");
            self.known.insert(entry.name().to_owned(), (entry.revision(), tree));
            changed = true;
        }
        changed
    }

    /// Gives names and sets conditions; those definitions whose status has to be written.
    fn decide(&mut self) -> Vec<Object> {
        let names: Vec<String> = self.known.keys().cloned().collect();
        let mut wanted = Vec::new();
        for name in names {
            let Some((revision, mut tree)) = self.known.get(&name).cloned() else { continue };
            let mut changed = false;
            if tree.at(&["spec", "names"]) != Some(names::accepted(&tree)) {
                let group = tree.str_at(&["spec", "group"]).to_owned();
                changed = names::settle(&mut tree, &self.taken(&name, &group));
            }
            changed |= establish(&mut tree);
            changed |= approve(&mut tree);
            if changed {
                wanted.push(tree.clone());
                self.known.insert(name, (revision, tree));
            }
        }
        wanted
    }

    fn taken(&self, but: &str, group: &str) -> Taken<'_> {
        let others = self.known.iter().filter(|(name, _)| *name != but).map(|(_, (_, tree))| tree);
        Taken::by(others.filter(|tree| tree.str_at(&["spec", "group"]) == group))
    }

    /// Serves what the definitions say now. What did not change stays as it is, streams included.
    async fn publish(&self, registry: &Registry, entries: &[Arc<Entry>]) -> Result<()> {
        let custom = registry.resources().custom();
        let before = custom.served.load_full();
        let mut definitions = HashMap::new();
        for entry in entries {
            let Some((_, brief)) = self.known.get(entry.name()) else { continue };
            let known = before.definitions.get(entry.name());
            match bind(registry, entry, brief, known.map(AsRef::as_ref)) {
                Ok(Some(bound)) => {
                    // Verbs read what is loaded.
                    bound.storage.cache()?.snapshot().await.map_err(storage_error)?;
                    definitions.insert(entry.name().to_owned(), Arc::new(bound));
                }
                Ok(None) => {}
                Err(why) => warn!(definition = entry.name(), why, "A definition cannot be served"),
            }
        }
        let after = Served::of(definitions);
        let gone = ended(&before, &after);
        custom.replace(after);
        for resource in &gone {
            resource.custom().iter().for_each(|serving| serving.end());
        }
        forget_caches(&registry.caches, &before, &custom.served.load());
        Ok(())
    }

    /// Begins to delete the objects of definitions that are to go.
    fn finalize(&self, registry: &Arc<Registry>) {
        for (name, (_, tree)) in &self.known {
            let due = tree.is_deleting() && tree.finalizers().any(|finalizer| finalizer == FINALIZER);
            if !due || !self.finalizing.lock().insert(name.clone()) {
                continue;
            }
            let (name, busy) = (name.clone(), self.finalizing.clone());
            let registry = Arc::downgrade(registry);
            tokio::spawn(async move {
                finalize::run(&registry, &name).await;
                busy.lock().remove(&name);
            });
        }
    }
}

fn parse(entry: &Entry) -> Result<Object> {
    serde_json::from_slice(entry.body())
        .map(Object::new)
        .map_err(|why| ApiError::internal(format!("the definition {} is not readable: {why}", entry.name())))
}

/// Says that a definition whose names were given is served.
fn establish(tree: &mut Object) -> bool {
    if !names::holds(tree, NAMES_ACCEPTED) || names::holds(tree, ESTABLISHED) {
        return false;
    }
    let message = "the initial names have been accepted";
    names::set(tree, &Condition { kind: ESTABLISHED, holds: true, reason: "InitialNamesAccepted", message });
    true
}

/// Says whether a group of the community approves.
fn approve(tree: &mut Object) -> bool {
    let Some((holds, reason, message)) = approval_condition(tree) else { return false };
    let condition = Condition { kind: APPROVAL, holds, reason, message: &message };
    if names::is_said(tree, &condition) {
        return false;
    }
    names::set(tree, &condition);
    true
}

/// Binds a definition, or keeps how it is bound. `None` when it is not to be served.
fn bind(
    registry: &Registry,
    entry: &Entry,
    brief: &Object,
    known: Option<&Bound>,
) -> std::result::Result<Option<Bound>, String> {
    let accepted = names::holds(brief, NAMES_ACCEPTED) || names::holds(brief, ESTABLISHED);
    let names = names::accepted(brief);
    let group = brief.str_at(&["spec", "group"]);
    // What is built in is served as built in.
    let overlaps = portcullis_schema::row_of_group(group, text(names, "plural")).is_some();
    if !accepted || overlaps || text(names, "plural").is_empty() {
        return Ok(None);
    }
    let (established, terminating) = (names::holds(brief, ESTABLISHED), names::holds(brief, TERMINATING));
    let mut tree = parse(entry).map_err(|why| why.message().to_owned())?;
    tree.set_at(&["status", "acceptedNames"], names.clone());
    if let Some(known) = known.filter(|known| known.definition.says_the_same_as(&tree)) {
        let (definition, resources) = (known.definition.clone(), known.resources.clone());
        return Ok(Some(Bound {
            definition,
            resources,
            storage: known.storage.clone(),
            established,
            terminating,
        }));
    }
    let now = entry.revision().max(if known.is_some() {
        registry.store().current_revision()
    } else {
        Revision::UNSET
    });
    let definition =
        Definition::compile(&tree, known.map(|known| &*known.definition), now, &registry.caller)?;
    Ok(Some(bound(registry, Arc::new(definition), known, (established, terminating))))
}

fn bound(
    registry: &Registry,
    definition: Arc<Definition>,
    known: Option<&Bound>,
    (established, terminating): (bool, bool),
) -> Bound {
    // Another set of selectable fields needs another cache.
    if known.is_some_and(|known| known.definition.selectable() != definition.selectable()) {
        registry.caches.remove(&format!("{}/", definition.prefix()));
    }
    let of = |version: &_| Resource::of_definition(&definition, version, &registry.caches);
    let served = definition.versions.iter().filter(|version| version.served);
    let resources: Vec<Arc<Resource>> = served.map(|version| Arc::new(of(version))).collect();
    let storage = Arc::new(of(definition.storage()));
    Bound { definition, resources, storage, established, terminating }
}

/// The resources that are served no more.
fn ended(before: &Served, after: &Served) -> Vec<Arc<Resource>> {
    let stays = |resource: &Arc<Resource>| {
        let group = after.groups.get(&resource.gr.group);
        group.is_some_and(|group| group.iter().any(|other| Arc::ptr_eq(other, resource)))
    };
    before.groups.values().flatten().filter(|resource| !stays(resource)).cloned().collect()
}

fn forget_caches(caches: &Caches, before: &Served, after: &Served) {
    for (name, bound) in &before.definitions {
        let prefix = bound.definition.prefix();
        let still = after.definitions.get(name).is_some_and(|other| other.definition.prefix() == prefix);
        if !still {
            caches.remove(&format!("{prefix}/"));
        }
    }
}

/// Writes the status of a definition, unless it changed meanwhile: then it is looked at again.
pub(super) async fn write_status(registry: &Registry, wanted: &Object) -> Result<()> {
    write(registry, wanted.name(), &|live| {
        if live.resource_version() != wanted.resource_version() {
            return;
        }
        for part in ["acceptedNames", "conditions"] {
            if let Some(value) = wanted.at(&["status", part]) {
                live.set_at(&["status", part], value.clone());
            }
        }
        let finalizers: Vec<Value> = wanted.finalizers().map(Value::from).collect();
        match finalizers.is_empty() {
            true => live.metadata_mut().remove("finalizers"),
            false => live.metadata_mut().insert("finalizers".to_owned(), finalizers.into()),
        };
    })
    .await
}

async fn write(registry: &Registry, name: &str, edit: &(dyn Fn(&mut Object) + Sync)) -> Result<()> {
    let own = Own::new(Permit::assertion_for_upkeep("the status of definitions follows from what is served"));
    let resource = definitions(registry)?;
    let mut call = own.call(registry, resource, Verb::Update, ("", "status"));
    let options = WriteOptions::own(MANAGER, false);
    let produce = |call: &mut crate::call::Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
        let mut new = live.clone();
        edit(&mut new);
        call.own_fields(&options, Some(live), &mut new)?;
        Ok(new)
    };
    let strategy = resource.endpoint_strategy("status")?;
    let change =
        Change { name, strategy, options: &options, may_create: false, expect_uid: "", produce: &produce };
    match update::run(&mut call, &change).await {
        Err(error) if error.reason() == Reason::NotFound => Ok(()),
        other => other.map(drop),
    }
}
