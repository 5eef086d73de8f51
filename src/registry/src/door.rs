//! The storage door: the one place that writes. It takes an [`Admitted`], asks the permit again what
//! it covers, and turns the write into one transaction.

mod records;

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use portcullis_admission::{Admitted, Reservation, plugins};
use portcullis_api::{ApiError, Object, Result, Scope, Verb};
use portcullis_audit::{AuditSlot, Latency, ObjectRef};
use portcullis_storage::{CommitOutcome, Expect, Guard, Key, Op, Revision, StoreError, Txn};

use crate::Registry;
use crate::allocate::{Claims, Reservation as PortsHeld};
use crate::call::{Call, Live};
use crate::{charges, custom};

/// More than this many changes of a quota or namespace between reading and committing are not bad luck.
const MAX_GUARD_ATTEMPTS: usize = 50;

/// What a commit does to the stored object.
pub(crate) enum Effect<'a> {
    /// The object is new; its claims (service addresses) are stored with it.
    Create { claims: Claims },
    /// The object replaces the one seen.
    Update { seen: Revision, claims: Claims },
    /// The object stays, marked as deleting.
    MarkDeleted { seen: Revision },
    /// The object seen goes away.
    Delete { seen: Revision, last: &'a Object },
    /// A change emptied the finalizers of a deleting object: it goes away instead of being stored.
    DeleteLast { seen: Revision, last: &'a Object },
}

/// The outcome of a write, as the client is shown it.
pub(crate) struct Written {
    state: State,
    created: bool,
    uid: String,
}

enum State {
    /// The body without TypeMeta, ready to send.
    Body(Bytes),
    /// Gone, and nobody wants to see it.
    Gone,
    /// A tree that was not stored (dry run, last state of a deleted object).
    Tree(Object),
}

impl Written {
    /// A dry run's result.
    pub(crate) fn dry(admitted: Admitted) -> Self {
        Self::shown(admitted.into_object().unwrap_or_default())
    }

    /// A state that is shown but not stored.
    pub(crate) fn shown(object: Object) -> Self {
        Self { uid: object.uid().to_owned(), state: State::Tree(object), created: false }
    }

    /// The stored object, which the write left as it was.
    pub(crate) fn unchanged(call: &Call<'_>, live: &Live) -> Result<Self> {
        let state = State::Body(call.resource.body(&live.entry)?);
        Ok(Self { uid: live.entry.uid().to_owned(), state, created: false })
    }

    /// The last state of an object, as of the revision that removed it.
    #[must_use]
    fn at(mut self, revision: Revision) -> Self {
        if let State::Tree(object) = &mut self.state {
            object.set_meta_str("resourceVersion", &revision.to_string());
        }
        self
    }

    /// Marks the result of a create.
    #[must_use]
    pub(crate) fn into_created(self) -> Self {
        Self { created: true, ..self }
    }

    /// The same with one more field, which is shown and not stored.
    pub(crate) fn showing(self, path: &[&str], value: String) -> Result<Self> {
        let mut object = self.tree()?;
        object.set_at(path, value.into());
        Ok(Self { state: State::Tree(object), ..self })
    }

    /// Whether the object is new.
    pub(crate) fn created(&self) -> bool {
        self.created
    }

    /// The object's uid.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// The body without TypeMeta.
    pub(crate) fn body(&self) -> Result<Bytes> {
        match &self.state {
            State::Body(body) => Ok(body.clone()),
            State::Tree(object) => bare_body(object),
            State::Gone => Err(ApiError::internal("a removed object was to be shown")),
        }
    }

    /// The object as a tree.
    pub(crate) fn tree(&self) -> Result<Object> {
        match &self.state {
            State::Tree(object) => Ok(object.clone()),
            State::Gone => Err(ApiError::internal("a removed object was to be shown")),
            State::Body(body) => match serde_json::from_slice(body) {
                Ok(map) => Ok(Object::new(map)),
                Err(error) => Err(ApiError::internal(error.to_string())),
            },
        }
    }
}

/// An object's JSON without TypeMeta.
pub(crate) fn bare_body(object: &Object) -> Result<Bytes> {
    let mut map = object.map().clone();
    map.remove("apiVersion");
    map.remove("kind");
    serde_json::to_vec(&map).map(Bytes::from).map_err(|error| ApiError::internal(error.to_string()))
}

impl Registry {
    /// Commits an admitted write. `None` when the object changed since it was read: the attempt is to
    /// be made again (or, for a create, the name is taken).
    pub(crate) async fn commit(
        &self,
        call: &Call<'_>,
        name: &str,
        mut admitted: Admitted,
        effect: Effect<'_>,
    ) -> Result<Option<Written>> {
        let namespace = &*call.target.namespace;
        call.permit.covers(effect.verb(), &call.resource.gr, namespace, name)?;
        let key = call.resource.key(namespace, name);
        let created = matches!(effect, Effect::Create { .. });
        let removed = matches!(effect, Effect::DeleteLast { .. });
        // Held until the charges are stored, so that no other write slips in between.
        let reservations = admitted.take_reservations();
        let object = match admitted.into_object() {
            Some(object) if effect.stores() => Some(call.resource.to_storage(object).await?),
            object => object,
        };
        let beside = self.beside(call, object.as_ref(), &effect)?;
        let Prepared { mut txn, shown, held } = prepare(call, &key, object, effect)?;
        txn.ops.extend(beside);
        let home = if created { Some((call, name)) } else { None };
        let Some(revision) = self.store_guarded(&call.slot, txn, home, &reservations).await? else {
            return Ok(None);
        };
        drop((held, reservations));
        let written = written(call, &key, revision, shown, (created, removed)).await?;
        self.follow(call, revision).await;
        Ok(Some(written))
    }

    /// Commits a transaction, with what it charges to quotas, as long as the namespace of a new object
    /// stays. `None` when one of the transaction's own guards failed; a quota or namespace that changed
    /// meanwhile is read again.
    async fn store_guarded(
        &self,
        slot: &AuditSlot,
        own: Txn,
        home: Option<(&Call<'_>, &str)>,
        reservations: &[Reservation],
    ) -> Result<Option<Revision>> {
        let guards = own.guards.len();
        for _ in 0..MAX_GUARD_ATTEMPTS {
            let mut txn = own.clone();
            if let Some((call, name)) = home {
                self.guard_namespace(call, name, &mut txn)?;
                self.guard_definition(call, name, &mut txn)?;
            }
            charges::add_to(self, reservations, &mut txn)?;
            let begun = Instant::now();
            let outcome = self.store().commit(txn).await;
            slot.took(Latency::Store, begun.elapsed());
            if matches!(outcome, Err(StoreError::Unknown { .. })) {
                slot.outcome_unknown();
            }
            match outcome.map_err(storage_error)? {
                CommitOutcome::Committed { revision, .. } => return Ok(Some(revision)),
                CommitOutcome::Conflict { guard, .. } if guard < guards => return Ok(None),
                CommitOutcome::Conflict { .. } => {}
            }
        }
        Err(ApiError::unavailable("the namespace or quotas of a write kept changing"))
    }

    /// The write of a definition is answered when its resources are served.
    async fn follow(&self, call: &Call<'_>, revision: Revision) {
        let (group, _, resource) = custom::DEFINITIONS;
        // The server's own writes are made by whom others wait for.
        if call.resource.is(group, resource) && call.permit.info().is_some() {
            self.resources().custom().settle(revision).await;
        }
    }

    /// No object is created any more when its definition is deleted.
    fn guard_definition(&self, call: &Call<'_>, name: &str, txn: &mut Txn) -> Result<()> {
        let Some(serving) = call.resource.custom() else { return Ok(()) };
        let (group, version, resource) = custom::DEFINITIONS;
        let definitions = self
            .resources()
            .get(group, version, resource)
            .ok_or_else(|| ApiError::internal("definitions are not served"))?;
        let key = definitions.key("", &serving.definition().name);
        let Some(entry) = definitions.entry(&key)? else { return Err(ApiError::no_such_path()) };
        if entry.is_deleting() {
            return Err(custom::terminating(&call.resource.gr, name));
        }
        txn.guards.push(Guard { key, expect: Expect::ModRevision(entry.revision()) });
        Ok(())
    }

    /// A create that was admitted before its namespace began to go is not committed after.
    fn guard_namespace(&self, call: &Call<'_>, name: &str, txn: &mut Txn) -> Result<()> {
        let namespace = &*call.target.namespace;
        if call.resource.scope() == Scope::Cluster {
            return Ok(());
        }
        let namespaces = self
            .resources()
            .get("", "v1", "namespaces")
            .ok_or_else(|| ApiError::internal("namespaces are not served"))?;
        let key = namespaces.key("", namespace);
        let Some(entry) = namespaces.entry(&key)? else {
            return Err(ApiError::not_found(&namespaces.gr, namespace));
        };
        if entry.is_deleting() {
            return Err(plugins::terminating(&call.resource.gr, namespace, name));
        }
        txn.guards.push(Guard { key, expect: Expect::ModRevision(entry.revision()) });
        Ok(())
    }
}

impl Effect<'_> {
    /// Whether the object is stored, and not only shown.
    pub(crate) fn stores(&self) -> bool {
        !matches!(self, Self::Delete { .. } | Self::DeleteLast { .. })
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Create { .. } => Verb::Create,
            Self::Update { .. } | Self::MarkDeleted { .. } | Self::DeleteLast { .. } => Verb::Update,
            Self::Delete { .. } => Verb::Delete,
        }
    }
}

struct Prepared {
    txn: Txn,
    /// What to show when nothing is stored.
    shown: Option<Written>,
    /// Ports stay reserved until the commit was seen.
    held: PortsHeld,
}

fn prepare(call: &Call<'_>, key: &Key, object: Option<Object>, effect: Effect<'_>) -> Result<Prepared> {
    let guard = |expect| Guard { key: key.clone(), expect };
    let code = if matches!(effect, Effect::Create { .. }) { StatusCode::CREATED } else { StatusCode::OK };
    let mut txn = Txn { guards: Vec::with_capacity(1), ops: Vec::with_capacity(1), outbox: None };
    let (claims, last) = match effect {
        Effect::Create { claims } => {
            txn.guards.push(guard(Expect::Absent));
            (claims, None)
        }
        Effect::Update { seen, claims } => {
            txn.guards.push(guard(Expect::ModRevision(seen)));
            (claims, None)
        }
        Effect::MarkDeleted { seen } => {
            txn.guards.push(guard(Expect::ModRevision(seen)));
            (Claims::default(), None)
        }
        Effect::Delete { seen, last } | Effect::DeleteLast { seen, last } => {
            txn.guards.push(guard(Expect::ModRevision(seen)));
            (call.registry.released(call, last), Some(last))
        }
    };
    txn.outbox = object.as_ref().or(last).and_then(|about| call.slot.outbox(&reference(about), code));
    let shown = match last {
        Some(last) => {
            txn.ops.push(Op::Delete { key: key.clone() });
            Some(match object {
                Some(object) => Written::shown(object),
                None if call.resource.returns_deleted() => Written::shown(last.clone()),
                None => Written { state: State::Gone, created: false, uid: last.uid().to_owned() },
            })
        }
        None => {
            let object = object.ok_or_else(|| ApiError::internal("a write was admitted without object"))?;
            let ttl = call.registry.ttl(call.resource);
            txn.ops.push(Op::Put { key: key.clone(), value: call.resource.encode(object)?, ttl });
            None
        }
    };
    let held = claims.add_to(&mut txn);
    Ok(Prepared { txn, shown, held })
}

/// What the audit record of a commit says of its object; the revision is the commit's own.
fn reference(object: &Object) -> ObjectRef {
    ObjectRef {
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: String::new(),
    }
}

async fn written(
    call: &Call<'_>,
    key: &Key,
    revision: Revision,
    shown: Option<Written>,
    (created, removed): (bool, bool),
) -> Result<Written> {
    if let Some(written) = shown {
        return Ok(if removed { written.at(revision) } else { written });
    }
    let entry = match call.resource.entry(key)? {
        Some(entry) if entry.revision() == revision => Some(entry),
        // Somebody wrote it again already; what this request stored is in the recent past.
        _ => call.resource.cache()?.snapshot_at(revision).await.map_err(storage_error)?.get(key).cloned(),
    };
    let entry =
        entry.ok_or_else(|| ApiError::internal(format!("{key} is not in the cache at {revision}")))?;
    let entry = call.resource.shown(entry).await?;
    let uid = entry.uid().to_owned();
    // A delete of many lists them all.
    if call.info.verb != Verb::DeleteCollection {
        call.slot.wrote(&ObjectRef {
            name: entry.name().to_owned(),
            uid: uid.clone(),
            resource_version: revision.to_string(),
        });
    }
    Ok(Written { state: State::Body(call.resource.body(&entry)?), created, uid })
}

/// What a failing store looks like to a client.
pub(crate) fn storage_error(error: StoreError) -> ApiError {
    match error {
        StoreError::Compacted { .. } => ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        ),
        StoreError::Future { asked, current } => future_revision(asked, current),
        StoreError::Closed => ApiError::unavailable("the store is closed"),
        StoreError::DiskFull(why) if why.to_string().starts_with("etcdserver:") => {
            // Upstream hands etcd's words on.
            ApiError::new(portcullis_api::Reason::Unknown, why.to_string())
        }
        StoreError::DiskFull(_) => ApiError::unavailable("no space is left for the store"),
        StoreError::Unavailable { .. } => ApiError::unavailable(error.to_string()),
        // Not to be repeated blindly: the write may have been made.
        StoreError::Unknown { .. } => ApiError::new(portcullis_api::Reason::Timeout, error.to_string()),
        other => ApiError::internal(other.to_string()),
    }
}

/// 504 for a revision that does not exist yet, as upstream's watch cache answers.
pub(crate) fn future_revision(asked: Revision, current: Revision) -> ApiError {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let cause = portcullis_api::Cause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        field: String::new(),
    };
    ApiError::new(portcullis_api::Reason::Timeout, message).with_causes(vec![cause]).with_retry_after(1)
}
