//! Who owns what after a write: the same steps for creates, updates and patches (`update`), and for
//! server-side apply (`apply.rs`).
//!
//! ```text
//! managedFields of the request, or else of the live object
//!   -> fields that changed leave all other managers
//!   -> and go to the manager that writes, without metadata the server owns and fields it cannot set
//!   -> more than ten old managers are merged into one
//!   -> back into the object, sorted
//! ```

use std::borrow::Cow;
use std::sync::LazyLock;

use portcullis_api::{Map, Object, Value};

use super::compare::{Changes, compare_maps};
use super::entries::{Entry, ManagedFields, Operation, is_reset, list_of};
use super::prune::reconcile;
use super::set::FieldSet;
use super::shape::ShapeRef;
use super::writable::Writable;

/// How many managers of updates an object keeps apart.
const MAX_UPDATE_MANAGERS: usize = 10;

/// The name the oldest of them are merged under.
const ANCIENT: &str = "ancient-changes";

/// What is never owned by anyone.
const UNTRACKED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "clusterName"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

static UNTRACKED_SET: LazyLock<FieldSet<'static>> = LazyLock::new(|| FieldSet::of_names(UNTRACKED));

/// Tracks owners for one endpoint: a version of a resource, or a subresource of it.
pub struct Tracker<'k> {
    /// The shape of the kind.
    pub shape: ShapeRef<'k>,
    /// The kind's `apiVersion`.
    pub api_version: &'k str,
    /// The kind's name.
    pub kind: &'k str,
    /// The subresource; empty for the main resource.
    pub subresource: &'k str,
    /// The object as Go encodes it when nothing is set.
    pub empty: &'k Object,
    /// Fields that a write through this endpoint sets.
    pub writable: Writable<'k>,
    /// How objects look in other versions.
    pub versions: &'k dyn Versions,
}

/// Other versions of a kind.
pub trait Versions: Sync {
    /// The object in another version, with that version's shape; `None` if there is no such version.
    fn convert(
        &self,
        object: &Map<String, Value>,
        api_version: &str,
    ) -> Option<(ShapeRef<'_>, Map<String, Value>)>;

    /// Fields that a write through the same endpoint of another version sets.
    fn writable(&self, _api_version: &str) -> Writable<'_> {
        Writable::ALL
    }
}

/// A kind that has one version only.
pub struct OneVersion;

impl Versions for OneVersion {
    fn convert(&self, _: &Map<String, Value>, _: &str) -> Option<(ShapeRef<'_>, Map<String, Value>)> {
        None
    }
}

impl<'k> Tracker<'k> {
    /// Brings `new.metadata.managedFields` up to date for a create (`live` is `None`), update or patch.
    /// What the request itself says there is honoured as far as it can be read.
    pub fn update(&self, manager: &str, live: Option<&Object>, new: &mut Object, now: &str) {
        let sent = new.map_mut().get_mut("metadata").and_then(Value::as_object_mut);
        let sent = sent.and_then(|metadata| metadata.remove("managedFields"));
        let encoded = {
            let sent = sent.as_ref().and_then(Value::as_array).map(Vec::as_slice);
            let managed = self.starting_point(live, sent);
            self.managed_after(managed, manager, live, new.map(), now)
        };
        if let Some(encoded) = encoded {
            new.metadata_mut().insert("managedFields".to_owned(), encoded);
        }
    }

    /// Subresources cannot change owners by hand; a request that does not speak of owners, or does so
    /// wrongly, keeps those there are.
    fn starting_point<'a>(&self, live: Option<&'a Object>, sent: Option<&'a [Value]>) -> ManagedFields<'a> {
        let kept = || {
            let list = live.and_then(|live| list_of(live.metadata())).unwrap_or_default();
            ManagedFields::decode(list).unwrap_or_default()
        };
        if !self.subresource.is_empty() {
            return kept();
        }
        if is_reset(sent) {
            return ManagedFields::default();
        }
        match ManagedFields::decode(sent.unwrap_or_default()) {
            Ok(managed) if !managed.entries.is_empty() => managed,
            _ => kept(),
        }
    }

    fn managed_after<'a>(
        &'a self,
        managed: ManagedFields<'a>,
        manager: &'a str,
        live: Option<&'a Object>,
        new: &'a Map<String, Value>,
        now: &'a str,
    ) -> Option<Value> {
        // An object without owners has lost them on purpose, or was stored before there were any: it gets
        // them back with its first apply.
        if managed.entries.is_empty() && live.is_some_and(|live| !live.uid().is_empty()) {
            return None;
        }
        let old = live.unwrap_or(self.empty).map();
        // A tree whose entries cannot be told apart has no owners.
        let mut managed = self.take_over(managed, manager, old, new, now).ok()?;
        cap(&mut managed);
        managed.encode()
    }

    /// Moves the ownership of all that differs to the manager of an update.
    pub(super) fn take_over<'a>(
        &'a self,
        managed: ManagedFields<'a>,
        manager: &'a str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
        now: &'a str,
    ) -> Result<ManagedFields<'a>, String> {
        let changes = compare_maps(self.shape, old, new)?.within(self.writable);
        let mut managed = self.leave_others(managed, None, &changes, old, new)?;
        let taken = changes.changed.difference(&UNTRACKED_SET);
        if !taken.is_empty() {
            self.give(&mut managed, manager, taken, now);
        }
        Ok(managed)
    }

    /// Takes what changed or is gone from all managers but one.
    pub(super) fn leave_others<'a>(
        &self,
        managed: ManagedFields<'a>,
        but: Option<usize>,
        changes: &Changes<'_>,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Result<ManagedFields<'a>, String> {
        let mut entries = Vec::with_capacity(managed.entries.len() + 1);
        for (at, mut entry) in managed.entries.into_iter().enumerate() {
            if Some(at) == but {
                entries.push(entry);
                continue;
            }
            let in_version = |shape, changes: &Changes<'_>, set: FieldSet<'a>| {
                reconcile(shape, set).difference(&changes.changed).difference(&changes.removed)
            };
            if entry.api_version == self.api_version {
                entry.set = in_version(self.shape, changes, entry.set);
            } else {
                let was = self.versions.convert(old, &entry.api_version);
                let is = self.versions.convert(new, &entry.api_version);
                let (Some((shape, was)), Some((_, is))) = (was, is) else { continue };
                let changes =
                    compare_maps(shape, &was, &is)?.within(self.versions.writable(&entry.api_version));
                entry.set = in_version(shape, &changes, entry.set);
            }
            entries.push(entry);
        }
        let mut managed = ManagedFields { entries };
        managed.drop_empty();
        Ok(managed)
    }

    fn give<'a>(
        &'a self,
        managed: &mut ManagedFields<'a>,
        manager: &'a str,
        taken: FieldSet<'a>,
        now: &'a str,
    ) {
        let manager = or_unknown(manager);
        let (operation, version) = (Operation::Update, self.api_version);
        let is_own = |entry: &&mut Entry<'_>| entry.is_of(manager, operation, version, self.subresource);
        if let Some(own) = managed.entries.iter_mut().find(is_own) {
            own.set = std::mem::take(&mut own.set).union(taken);
            own.time = Cow::Borrowed(now);
            return;
        }
        managed.entries.push(Entry {
            manager: Cow::Borrowed(manager),
            operation,
            api_version: Cow::Borrowed(version),
            subresource: Cow::Borrowed(self.subresource),
            time: Cow::Borrowed(now),
            set: taken,
        });
    }
}

/// The set of what is never owned.
pub(super) fn untracked() -> &'static FieldSet<'static> {
    &UNTRACKED_SET
}

/// A manager without a name is unknown.
pub(super) fn or_unknown(manager: &str) -> &str {
    if manager.is_empty() { "unknown" } else { manager }
}

/// Merges the oldest managers of updates, those of each version into one, until there are few enough.
fn cap(managed: &mut ManagedFields<'_>) {
    let mut count = managed.entries.iter().filter(|entry| entry.operation == Operation::Update).count();
    if count <= MAX_UPDATE_MANAGERS {
        return;
    }
    let (mut updates, appliers): (Vec<_>, Vec<_>) = std::mem::take(&mut managed.entries)
        .into_iter()
        .partition(|entry| entry.operation == Operation::Update);
    updates.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.identifier().cmp(&b.identifier())));
    let mut kept: Vec<Entry<'_>> = Vec::with_capacity(MAX_UPDATE_MANAGERS);
    // A version's first manager keeps its name until another is merged into it.
    for entry in updates {
        let first = kept.iter_mut().find(|kept| kept.api_version == entry.api_version);
        match first {
            Some(bucket) if count > MAX_UPDATE_MANAGERS => {
                bucket.manager = Cow::Borrowed(ANCIENT);
                bucket.subresource = Cow::Borrowed("");
                bucket.set = std::mem::take(&mut bucket.set).union(entry.set);
                bucket.time = entry.time;
                count -= 1;
            }
            _ => kept.push(entry),
        }
    }
    managed.entries = appliers;
    managed.entries.append(&mut kept);
}

/// Gives entries their old times back when nothing but times would change, so that a write that changes
/// nothing stores nothing.
pub fn keep_times_if_unchanged(new: &mut Object, old: &Object) {
    let (Some(now), Some(was)) = (list_of(new.metadata()), list_of(old.metadata())) else { return };
    if now.len() != was.len() || now.is_empty() || now == was {
        return;
    }
    let same = now.iter().zip(was).all(|(a, b)| equal_but(a, b, "time"));
    if same && equal_but_owners(new, old) {
        let kept = Value::Array(was.to_vec());
        new.metadata_mut().insert("managedFields".to_owned(), kept);
    }
}

fn equal_but_owners(new: &Object, old: &Object) -> bool {
    let metadata = match (new.get("metadata"), old.get("metadata")) {
        (Some(new), Some(old)) => equal_but(new, old, "managedFields"),
        (new, old) => new == old,
    };
    let others = |(name, _): &(&String, &Value)| *name != "metadata";
    metadata
        && new.map().len() == old.map().len()
        && new.map().iter().filter(others).all(|(name, value)| old.get(name) == Some(value))
}

/// Whether two objects are equal in all members but one.
fn equal_but(a: &Value, b: &Value, but: &str) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let others = |map: &'_ Map<String, Value>| map.len() - usize::from(map.contains_key(but));
    others(a) == others(b)
        && a.iter().filter(|(name, _)| *name != but).all(|(name, value)| b.get(name) == Some(value))
}
