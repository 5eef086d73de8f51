//! Looks at one object anew and does what its owners' state asks for.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use portcullis_client::Next;
use serde_json::json;

use super::Garbage;
use super::graph::{FOREGROUND, Item, Job, ORPHAN, Stage};
use crate::Error;
use crate::everything::Everything;

/// When an object that changed under our hands is looked at again.
const SOON: Duration = Duration::from_millis(50);
/// When it is asked again for an owner that is there, but that no watch has told of yet.
const LATER: Duration = Duration::from_secs(30);

/// Does the jobs.
pub(super) struct Collector {
    pub(super) client: Client,
    pub(super) seen: Arc<Garbage>,
    pub(super) everything: Arc<Everything>,
}

/// An object's owners by what they mean for it.
#[derive(Default)]
struct Owners {
    /// There, and not waiting for its dependents to go.
    solid: Vec<OwnerReference>,
    dangling: Vec<OwnerReference>,
    waiting: Vec<OwnerReference>,
    /// Whether one is there that no watch has told of.
    unseen: bool,
}

enum Owner {
    Solid,
    Dangling,
    Waiting,
    /// It lives in some namespace, and the object in none: there is no telling which one is meant.
    Nowhere,
}

impl Collector {
    pub(super) async fn look(&self, job: Job) -> Result<Next, Error> {
        let outcome = match &job {
            Job::Collect(uid) => self.collect(uid).await,
            Job::Orphan(uid) => self.orphan(uid).await,
        };
        match outcome {
            Err(error) if error.is_conflict() => Ok(Next::After(SOON)),
            // Its watch tells, or has told, what follows from that.
            Err(error) if error.is_not_found() => Ok(Next::Settled),
            outcome => outcome,
        }
    }

    async fn collect(&self, uid: &str) -> Result<Next, Error> {
        let Some(item) = self.item(uid) else { return Ok(Next::Settled) };
        if matches!(item.stage, Stage::Going | Stage::Orphaning) {
            return Ok(Next::Settled);
        }
        let Some(latest) = self.latest(&item).await? else { return Ok(Next::Settled) };
        if item.stage == Stage::WaitingForDependents {
            return self.release(&item, &latest).await;
        }
        let named = latest.owner_references.clone().unwrap_or_default();
        if named.is_empty() {
            return Ok(Next::Settled);
        }
        match self.sort(&item, named).await? {
            None => Ok(Next::Settled),
            Some(owners) if !owners.solid.is_empty() => self.keep(&item, &latest, owners).await,
            Some(owners) => self.delete(&item, latest, !owners.waiting.is_empty()).await,
        }
    }

    /// The object stays; references to owners that are gone, or that wait for it, do not.
    async fn keep(&self, item: &Item, latest: &ObjectMeta, owners: Owners) -> Result<Next, Error> {
        if owners.dangling.len() + owners.waiting.len() > 0 {
            self.own(item, latest, owners.solid).await?;
        }
        Ok(if owners.unseen { Next::After(LATER) } else { Next::Settled })
    }

    /// No owner holds the object any more.
    async fn delete(&self, item: &Item, latest: ObjectMeta, awaited: bool) -> Result<Next, Error> {
        let dependents = self.seen.graph.lock().dependents(&item.uid);
        let held = |finalizer: &str| latest.finalizers.iter().flatten().any(|held| held == finalizer);
        let policy = if awaited && !dependents.is_empty() {
            PropagationPolicy::Foreground
        } else if held(ORPHAN) {
            PropagationPolicy::Orphan
        } else if held(FOREGROUND) {
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        };
        let circle = dependents.iter().any(|dependent| dependent.stage == Stage::WaitingForDependents);
        let latest = if awaited && circle { self.unblock(item, latest).await? } else { latest };
        let preconditions =
            Preconditions { uid: Some(item.uid.clone()), resource_version: latest.resource_version };
        let options = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        self.api(item).delete(&item.name, &options).await?;
        tracing::debug!(kind = item.kind.kind, name = item.name, uid = item.uid, "Garbage was collected");
        Ok(Next::Settled)
    }

    /// The object waits for its dependents: it may go, or they are looked at.
    async fn release(&self, item: &Item, latest: &ObjectMeta) -> Result<Next, Error> {
        let blocking = self.seen.graph.lock().blocking(&item.uid);
        if blocking.is_empty() {
            self.remove_finalizer(item, latest, FOREGROUND).await?;
            return Ok(Next::Settled);
        }
        for dependent in blocking {
            if dependent.stage != Stage::WaitingForDependents {
                self.seen.queue.add(Job::Collect(dependent.uid));
            }
        }
        Ok(Next::Settled)
    }

    async fn orphan(&self, uid: &str) -> Result<Next, Error> {
        let Some(item) = self.item(uid).filter(|item| item.stage == Stage::Orphaning) else {
            return Ok(Next::Settled);
        };
        let dependents = self.seen.graph.lock().dependents(uid);
        for dependent in dependents {
            let Some(latest) = self.latest(&dependent).await? else { continue };
            let named = latest.owner_references.clone().unwrap_or_default();
            let (ours, others): (Vec<_>, Vec<_>) = named.into_iter().partition(|owner| owner.uid == uid);
            if !ours.is_empty() {
                self.own(&dependent, &latest, others).await?;
            }
        }
        if let Some(latest) = self.latest(&item).await? {
            self.remove_finalizer(&item, &latest, ORPHAN).await?;
        }
        Ok(Next::Settled)
    }

    /// Asks for every owner; none if it cannot be said where one of them would be.
    async fn sort(&self, item: &Item, named: Vec<OwnerReference>) -> Result<Option<Owners>, Error> {
        let mut owners = Owners::default();
        for reference in named {
            match self.owner(item, &reference).await? {
                Owner::Nowhere => return Ok(None),
                Owner::Dangling => owners.dangling.push(reference),
                Owner::Waiting => owners.waiting.push(reference),
                Owner::Solid => {
                    owners.unseen |= self.seen.graph.lock().get(&reference.uid).is_none();
                    owners.solid.push(reference);
                }
            }
        }
        Ok(Some(owners))
    }

    async fn owner(&self, item: &Item, reference: &OwnerReference) -> Result<Owner, Error> {
        let namespace = item.namespace.as_deref();
        if self.seen.graph.lock().is_absent(reference, namespace) {
            return Ok(Owner::Dangling);
        }
        let served = self.everything.kinds().named(&reference.api_version, &reference.kind);
        let Some(served) = served else {
            return Err(Error::UnknownKind(format!("{} {}", reference.api_version, reference.kind)));
        };
        let namespace = match (served.namespaced, namespace) {
            (true, None) => return Ok(Owner::Nowhere),
            (true, namespace) => namespace,
            (false, _) => None,
        };
        let api = scoped(&self.client, &served.resource, namespace);
        let found = api.get_metadata_opt(&reference.name).await?.map(|found| found.metadata);
        let Some(owner) = found.filter(|owner| owner.uid.as_ref() == Some(&reference.uid)) else {
            self.seen.graph.lock().remember_absent(reference, namespace);
            return Ok(Owner::Dangling);
        };
        let waits = owner.finalizers.iter().flatten().any(|finalizer| finalizer == FOREGROUND);
        Ok(if owner.deletion_timestamp.is_some() && waits { Owner::Waiting } else { Owner::Solid })
    }

    /// Breaks a circle of objects that wait for each other.
    async fn unblock(&self, item: &Item, latest: ObjectMeta) -> Result<ObjectMeta, Error> {
        let mut named = latest.owner_references.clone().unwrap_or_default();
        for owner in &mut named {
            owner.block_owner_deletion = owner.block_owner_deletion.map(|_| false);
        }
        self.own(item, &latest, named).await
    }

    async fn own(
        &self,
        item: &Item,
        latest: &ObjectMeta,
        owners: Vec<OwnerReference>,
    ) -> Result<ObjectMeta, Error> {
        self.change(item, latest, "ownerReferences", json!(owners)).await
    }

    async fn remove_finalizer(&self, item: &Item, latest: &ObjectMeta, finalizer: &str) -> Result<(), Error> {
        let held = latest.finalizers.clone().unwrap_or_default();
        let left: Vec<_> = held.iter().filter(|held| *held != finalizer).collect();
        if left.len() < held.len() {
            self.change(item, latest, "finalizers", json!(left)).await?;
        }
        Ok(())
    }

    /// Writes one list of an object's metadata, if the object is still the one that was read.
    async fn change(
        &self,
        item: &Item,
        latest: &ObjectMeta,
        field: &str,
        value: serde_json::Value,
    ) -> Result<ObjectMeta, Error> {
        let patch = json!({ "metadata": {
            "uid": item.uid, "resourceVersion": latest.resource_version, field: value,
        } });
        let patch = Patch::Merge(patch);
        let changed = self.api(item).patch_metadata(&item.name, &PatchParams::default(), &patch).await?;
        Ok(changed.metadata)
    }

    /// The object as it is now; none if it is gone, or another has its name.
    async fn latest(&self, item: &Item) -> Result<Option<ObjectMeta>, Error> {
        let found = self.api(item).get_metadata_opt(&item.name).await?.map(|found| found.metadata);
        Ok(found.filter(|found| found.uid.as_ref() == Some(&item.uid)))
    }

    fn item(&self, uid: &str) -> Option<Item> {
        self.seen.graph.lock().get(uid).cloned()
    }

    fn api(&self, item: &Item) -> Api<DynamicObject> {
        scoped(&self.client, &item.kind, item.namespace.as_deref())
    }
}

fn scoped(client: &Client, kind: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, kind),
        None => Api::all_with(client.clone(), kind),
    }
}
