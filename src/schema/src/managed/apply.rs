//! Server-side apply: the configuration is merged into the live object; fields its manager applied before
//! and no longer does go, unless someone else owns them; other managers' fields are not changed without
//! `force`.

use std::borrow::Cow;

use portcullis_api::{ApiError, Map, Object, Reason, Value};

use super::compare::{Changes, compare, compare_maps};
use super::conflict::Conflicts;
use super::entries::{Entry, ManagedFields, Operation, list_of};
use super::last_applied;
use super::merge::merge;
use super::own::fieldset_of;
use super::prune::{reconcile, remove, with_named_parents};
use super::set::FieldSet;
use super::shape::ShapeRef;
use super::tracker::{Tracker, or_unknown, untracked};
use super::validate::misfits;

/// Who owned what before there were owners.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The manager whose client-side configurations are carried over.
pub(super) const KUBECTL: &str = "kubectl";

/// A failed apply, before it is put in words.
pub(super) enum Failure {
    /// Others own what the configuration would change.
    Conflicts(Conflicts),
    /// Anything else.
    Error(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

/// A 500 whose words the client reads, without a reason, as upstream answers errors it has no code for.
fn failed(message: String) -> ApiError {
    ApiError::new(Reason::Unknown, message)
}

/// What an apply request says.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Whether it takes fields from others.
    pub force: bool,
    /// The configuration as the client sent it.
    pub config: &'a Object,
    /// The time now.
    pub now: &'a str,
}

impl Tracker<'_> {
    /// The object after an apply, with its owners but not in normal form and without new defaults.
    /// Without `live` the configuration creates the object.
    pub fn apply(&self, request: Request<'_>, live: Option<&Object>) -> Result<Object, ApiError> {
        self.check(request.config)?;
        let live = live.unwrap_or(self.empty);
        let before = Value::Object(live.map().clone());
        let managed = list_of(live.metadata()).unwrap_or_default();
        let managed = ManagedFields::decode(managed)
            .map_err(|why| failed(format!("failed to decode managed fields: {why}")))?;
        let managed = self.with_first_owner(managed, live, request.now)?;
        let attempt = |force| self.attempt(Request { force, ..request }, live, &before, managed.clone());
        let applied = match attempt(request.force) {
            Err(Failure::Conflicts(conflicts)) if request.manager == KUBECTL => {
                match last_applied::remaining_conflicts(self, live, &before, conflicts) {
                    None => attempt(true),
                    Some(conflicts) => Err(Failure::Conflicts(conflicts)),
                }
            }
            other => other,
        };
        let mut object = applied.map_err(|failure| match failure {
            Failure::Conflicts(conflicts) => conflicts.into_error(),
            Failure::Error(error) => error,
        })?;
        if request.manager == KUBECTL {
            last_applied::update(&mut object, request.config);
        }
        Ok(object)
    }

    fn check(&self, config: &Object) -> Result<(), ApiError> {
        let (api_version, kind) = (config.api_version(), config.kind());
        if api_version != self.api_version || kind != self.kind {
            return Err(ApiError::bad_request(format!("invalid object type: {}", go_gvk(api_version, kind))));
        }
        if list_of(config.metadata()).is_some() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        Ok(())
    }

    /// An object that has no owners gets one for all it has.
    fn with_first_owner<'a>(
        &'a self,
        managed: ManagedFields<'a>,
        live: &'a Object,
        now: &'a str,
    ) -> Result<ManagedFields<'a>, ApiError> {
        if !managed.entries.is_empty() {
            return Ok(managed);
        }
        self.take_over(managed, BEFORE_FIRST_APPLY, self.empty.map(), live.map(), now)
            .map_err(|why| failed(format!("failed to create manager for existing fields: {why}")))
    }

    fn attempt(
        &self,
        request: Request<'_>,
        live: &Object,
        before: &Value,
        managed: ManagedFields<'_>,
    ) -> Result<Object, Failure> {
        let config = Value::Object(request.config.map().clone());
        if let Some(why) = misfits(self.shape, &config, false).text() {
            let what = self.named(request.config);
            return Err(failed(format!("failed to create typed patch object ({what}): {why}")).into());
        }
        let merged = merge(self.shape, before, &config)
            .map_err(|why| failed(format!("failed to merge config: {why}")))?;
        let mut managed = self.reconciled(managed);
        let own = self.own_entry(&mut managed, request.manager);
        let applied = self.writable.of(fieldset_of(self.shape, &config));
        let last = self.put_set(&mut managed, own, applied);
        let merged = self.without_abandoned(merged, &managed, last);
        let unchanged = merged == *before;
        let encoded = {
            let changes = compare(self.shape, before, &merged)
                .map_err(|why| failed(format!("failed to compare objects: {why}")))?
                .within(self.writable);
            let new = merged.as_object().unwrap_or(live.map());
            if !request.force {
                self.no_conflicts(&managed, own, &changes, (live.map(), new))?;
            }
            let managed = self
                .leave_others(managed, Some(own), &changes, live.map(), new)
                .map_err(|why| failed(format!("failed to compare objects: {why}")))?;
            self.encoded(managed, request, unchanged)
        };
        let map = match merged {
            Value::Object(map) if !unchanged => map,
            _ => live.map().clone(),
        };
        Ok(with_managed(Object::new(map), encoded))
    }

    /// The owners on the wire. An apply that changes nothing leaves the time of its manager as it is.
    fn encoded(
        &self,
        mut managed: ManagedFields<'_>,
        request: Request<'_>,
        unchanged: bool,
    ) -> Option<Value> {
        let own = managed.entries.iter_mut().find(|entry| self.is_own(entry, request.manager));
        if let Some(own) = own {
            own.set = std::mem::take(&mut own.set).difference(untracked());
            if !unchanged {
                own.time = Cow::Owned(request.now.to_owned());
            }
        }
        managed.drop_empty();
        managed.encode()
    }

    fn is_own(&self, entry: &Entry<'_>, manager: &str) -> bool {
        entry.is_of(or_unknown(manager), Operation::Apply, self.api_version, self.subresource)
    }

    fn reconciled<'a>(&self, mut managed: ManagedFields<'a>) -> ManagedFields<'a> {
        for entry in managed.entries.iter_mut().filter(|entry| entry.api_version == self.api_version) {
            entry.set = reconcile(self.shape, std::mem::take(&mut entry.set));
        }
        managed
    }

    /// The place of the applier's entry, made if missing.
    fn own_entry<'a>(&'a self, managed: &mut ManagedFields<'a>, manager: &str) -> usize {
        if let Some(at) = managed.entries.iter().position(|entry| self.is_own(entry, manager)) {
            return at;
        }
        managed.entries.push(Entry {
            manager: Cow::Owned(or_unknown(manager).to_owned()),
            operation: Operation::Apply,
            api_version: Cow::Borrowed(self.api_version),
            subresource: Cow::Borrowed(self.subresource),
            time: Cow::Borrowed(""),
            set: FieldSet::new(),
        });
        managed.entries.len() - 1
    }

    /// Sets what the applier owns; returns what it owned before, and in which version.
    fn put_set<'a>(
        &self,
        managed: &mut ManagedFields<'a>,
        own: usize,
        set: FieldSet<'_>,
    ) -> (String, FieldSet<'a>) {
        let Some(entry) = managed.entries.get_mut(own) else { return <_>::default() };
        let version = std::mem::replace(&mut entry.api_version, Cow::Owned(self.api_version.to_owned()));
        (version.into_owned(), std::mem::replace(&mut entry.set, set.into_owned()))
    }

    /// Removes what the applier owned and no longer mentions, but for what others own.
    fn without_abandoned(
        &self,
        merged: Value,
        managed: &ManagedFields<'_>,
        (version, last): (String, FieldSet<'_>),
    ) -> Value {
        // What was applied in another version stays; it cannot be told which of its fields are meant.
        if last.is_empty() || version != self.api_version {
            return merged;
        }
        let shape = self.shape;
        let last = with_named_parents(shape, &last);
        let pruned = remove(shape, merged.clone(), &last);
        let owned = managed.entries.iter().filter(|entry| entry.api_version == self.api_version);
        let owned = owned.fold(FieldSet::new(), |all, entry| all.union(entry.set.clone()));
        let all = with_named_parents(shape, &fieldset_of(shape, &merged));
        // Back comes what anyone owns now,
        let kept = with_named_parents(shape, &fieldset_of(shape, &pruned));
        let kept = kept.union(with_named_parents(shape, &owned));
        let pruned = remove(shape, merged.clone(), &all.clone().difference(&kept));
        // and what the applier never owned.
        let kept = with_named_parents(shape, &fieldset_of(shape, &pruned));
        let gone = all.difference(&kept).intersection(&last).into_owned();
        remove(shape, merged, &gone)
    }

    fn no_conflicts(
        &self,
        managed: &ManagedFields<'_>,
        own: usize,
        changes: &Changes<'_>,
        (old, new): (&Map<String, Value>, &Map<String, Value>),
    ) -> Result<(), Failure> {
        let mut conflicts = Conflicts::default();
        for (at, entry) in managed.entries.iter().enumerate() {
            if at == own {
                continue;
            }
            if entry.api_version == self.api_version {
                conflicts.add(entry, &entry.set.intersection(&changes.changed));
                continue;
            }
            let was = self.versions.convert(old, &entry.api_version);
            let is = self.versions.convert(new, &entry.api_version);
            let (Some((shape, was)), Some((_, is))) = (was, is) else { continue };
            let changes = compare_maps(shape, &was, &is)
                .map_err(|why| failed(format!("failed to compare objects: {why}")))?
                .within(self.versions.writable(&entry.api_version));
            conflicts.add(entry, &entry.set.intersection(&changes.changed));
        }
        if conflicts.is_empty() { Ok(()) } else { Err(Failure::Conflicts(conflicts)) }
    }

    /// The object as upstream names it in errors.
    fn named(&self, object: &Object) -> String {
        format!("{}/{}; {}", object.namespace(), object.name(), go_gvk(self.api_version, self.kind))
    }

    /// The shape of the kind.
    pub(super) fn shape(&self) -> ShapeRef<'_> {
        self.shape
    }
}

fn with_managed(mut object: Object, encoded: Option<Value>) -> Object {
    let metadata: &mut Map<String, Value> = object.metadata_mut();
    match encoded {
        Some(encoded) => metadata.insert("managedFields".to_owned(), encoded),
        None => metadata.remove("managedFields"),
    };
    object
}

/// Group, version and kind as Go prints them: `/v1, Kind=Pod`.
fn go_gvk(api_version: &str, kind: &str) -> String {
    if api_version.matches('/').count() > 1 {
        return "/, Kind=".to_owned();
    }
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}
