//! Who owns whom, as the watches tell it.
//!
//! The graph holds what was seen, and remembers by UID who names an owner, whether that owner was seen
//! or not. It decides nothing: a change makes [`Job`]s, and each job asks the server before it does
//! anything, by the coordinates that the reference itself names. A reference that lies about its
//! owner's namespace, kind or name can therefore keep nothing alive and have nothing else deleted.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::everything::Kind;

/// Deleted owners that are remembered, so that their dependents need not ask for them one by one.
const ABSENT: usize = 500;
/// Keeps an object until its dependents are rid of their reference to it.
pub(super) const ORPHAN: &str = "orphan";
/// Keeps an object until the dependents that block it are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// What an object is known by, for ever.
pub(super) type Uid = String;

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Job {
    /// Whether this object has to go, or may go at last.
    Collect(Uid),
    /// This object's dependents are to be rid of it.
    Orphan(Uid),
}

/// How far the end of an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Living,
    /// It goes without further ado.
    Going,
    /// It waits for its dependents to let go of it.
    Orphaning,
    /// It waits for its dependents to be deleted.
    WaitingForDependents,
}

impl Stage {
    fn of(metadata: &ObjectMeta) -> Self {
        let held = |finalizer: &str| metadata.finalizers.iter().flatten().any(|held| held == finalizer);
        match metadata.deletion_timestamp {
            None => Self::Living,
            Some(_) if held(ORPHAN) => Self::Orphaning,
            Some(_) if held(FOREGROUND) => Self::WaitingForDependents,
            Some(_) => Self::Going,
        }
    }
}

/// An object, as far as it matters here.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) stage: Stage,
}

impl Item {
    /// An object that was seen; none if it has no name or no UID.
    pub(super) fn seen(kind: &Kind, metadata: &ObjectMeta) -> Option<Self> {
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        let owners = metadata.owner_references.clone().unwrap_or_default();
        let (kind, namespace) = (kind.clone(), metadata.namespace.clone());
        Some(Self { kind, namespace, name, uid, owners, stage: Stage::of(metadata) })
    }

    fn owns_by(&self, reference: &OwnerReference, dependent: &Self) -> bool {
        reference.kind == self.kind.kind
            && reference.api_version == self.kind.api_version
            && reference.name == self.name
            && (self.namespace.is_none() || self.namespace == dependent.namespace)
    }

    fn refers_to(&self, uid: &str) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.uid == uid)
    }
}

/// The coordinates of an owner that is known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Coordinates {
    uid: Uid,
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl Coordinates {
    fn named(reference: &OwnerReference, namespace: Option<&str>) -> Self {
        Self {
            uid: reference.uid.clone(),
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            namespace: namespace.map(str::to_owned),
            name: reference.name.clone(),
        }
    }
}

/// Everything that was seen.
#[derive(Default, Debug)]
pub(super) struct Graph {
    items: HashMap<Uid, Item>,
    /// Who names whom as an owner.
    dependents: HashMap<Uid, BTreeSet<Uid>>,
    absent: HashSet<Coordinates>,
    absent_in_order: VecDeque<Coordinates>,
}

impl Graph {
    /// An object as last seen.
    pub(super) fn get(&self, uid: &str) -> Option<&Item> {
        self.items.get(uid)
    }

    /// Whoever names an object as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Item> {
        let named = self.dependents.get(uid).into_iter().flatten();
        named.filter_map(|dependent| self.items.get(dependent)).cloned().collect()
    }

    /// The dependents that must be gone before an object that waits for them may go.
    pub(super) fn blocking(&self, uid: &str) -> Vec<Item> {
        let blocks = |item: &Item| {
            item.refers_to(uid).is_some_and(|reference| reference.block_owner_deletion == Some(true))
        };
        self.dependents(uid).into_iter().filter(blocks).collect()
    }

    /// Whether an owner is known to be gone.
    pub(super) fn is_absent(&self, reference: &OwnerReference, namespace: Option<&str>) -> bool {
        self.absent.contains(&Coordinates::named(reference, None))
            || self.absent.contains(&Coordinates::named(reference, namespace))
    }

    /// Remembers that an owner is gone.
    pub(super) fn remember_absent(&mut self, reference: &OwnerReference, namespace: Option<&str>) {
        self.remember(Coordinates::named(reference, namespace));
    }

    /// An object was seen, new or changed.
    pub(super) fn observe(&mut self, item: Item) -> BTreeSet<Job> {
        let mut jobs = BTreeSet::new();
        let before = self.items.get(&item.uid).cloned();
        match &before {
            None => self.question_references(&item, &mut jobs),
            Some(before) => self.unblocked(before, &item, &mut jobs),
        }
        let new = |owner: &&OwnerReference| {
            before.as_ref().is_none_or(|before| before.refers_to(&owner.uid).is_none())
        };
        for owner in item.owners.iter().filter(new) {
            if !self.items.get(&owner.uid).is_some_and(|seen| seen.owns_by(owner, &item)) {
                jobs.insert(Job::Collect(item.uid.clone()));
            }
        }
        self.relink(before.as_ref(), &item);
        if before.is_none_or(|before| before.stage != item.stage) {
            self.began(&item, &mut jobs);
        }
        self.items.insert(item.uid.clone(), item);
        jobs
    }

    /// An object is gone.
    pub(super) fn forget(&mut self, uid: &str) -> BTreeSet<Job> {
        let Some(item) = self.items.remove(uid) else { return BTreeSet::new() };
        self.unlink(&item);
        let mut jobs: BTreeSet<_> = self.named_by(uid).map(Job::Collect).collect();
        if !jobs.is_empty() {
            let Item { kind, namespace, name, uid, .. } = &item;
            let (api_version, kind) = (kind.api_version.clone(), kind.kind.clone());
            let (namespace, name, uid) = (namespace.clone(), name.clone(), uid.clone());
            self.remember(Coordinates { uid, api_version, kind, namespace, name });
        }
        for owner in &item.owners {
            if self.items.get(&owner.uid).is_some_and(|owner| owner.stage == Stage::WaitingForDependents) {
                jobs.insert(Job::Collect(owner.uid.clone()));
            }
        }
        jobs
    }

    /// All of a kind but those listed are gone.
    pub(super) fn forget_all_but(&mut self, kind: &Kind, listed: &HashSet<Uid>) -> BTreeSet<Job> {
        let gone = |item: &&Item| item.kind == *kind && !listed.contains(&item.uid);
        let gone: Vec<Uid> = self.items.values().filter(gone).map(|item| item.uid.clone()).collect();
        gone.iter().flat_map(|uid| self.forget(uid)).collect()
    }

    /// Dependents that were seen before their owner, and call it something else than it is.
    fn question_references(&self, owner: &Item, jobs: &mut BTreeSet<Job>) {
        for dependent in self.dependents(&owner.uid) {
            let reference = dependent.refers_to(&owner.uid);
            if !reference.is_some_and(|reference| owner.owns_by(reference, &dependent)) {
                jobs.insert(Job::Collect(dependent.uid));
            }
        }
    }

    /// Owners that this object blocked, and blocks no more.
    fn unblocked(&self, before: &Item, now: &Item, jobs: &mut BTreeSet<Job>) {
        let blocks = |reference: &OwnerReference| reference.block_owner_deletion == Some(true);
        for reference in before.owners.iter().filter(|reference| blocks(reference)) {
            let still = now.refers_to(&reference.uid).is_some_and(blocks);
            if !still && self.items.contains_key(&reference.uid) {
                jobs.insert(Job::Collect(reference.uid.clone()));
            }
        }
    }

    fn began(&self, item: &Item, jobs: &mut BTreeSet<Job>) {
        match item.stage {
            Stage::Living | Stage::Going => {}
            Stage::Orphaning => {
                jobs.insert(Job::Orphan(item.uid.clone()));
            }
            Stage::WaitingForDependents => {
                jobs.insert(Job::Collect(item.uid.clone()));
                jobs.extend(self.named_by(&item.uid).map(Job::Collect));
            }
        }
    }

    fn named_by(&self, uid: &str) -> impl Iterator<Item = Uid> {
        self.dependents.get(uid).into_iter().flatten().cloned()
    }

    fn relink(&mut self, before: Option<&Item>, now: &Item) {
        if let Some(before) = before {
            self.unlink(before);
        }
        for owner in &now.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(now.uid.clone());
        }
    }

    fn unlink(&mut self, item: &Item) {
        for owner in &item.owners {
            let Some(dependents) = self.dependents.get_mut(&owner.uid) else { continue };
            dependents.remove(&item.uid);
            if dependents.is_empty() {
                self.dependents.remove(&owner.uid);
            }
        }
    }

    fn remember(&mut self, gone: Coordinates) {
        if !self.absent.insert(gone.clone()) {
            return;
        }
        self.absent_in_order.push_back(gone);
        if self.absent_in_order.len() > ABSENT
            && let Some(oldest) = self.absent_in_order.pop_front()
        {
            self.absent.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
