//! The way of a change to an object: one attempt is read, produce, admit, validate, commit; a write
//! conflict repeats the attempt.
//!
//! PUT, every PATCH and most subresources differ only in how the new object is produced from the
//! stored one; they hand that step in as a [`Produce`].

use portcullis_admission::Admitted;
use portcullis_api::field::{Error, Path, go_quote};
use portcullis_api::{ApiError, Object, Reason, Result, Scope, Value};

use crate::allocate::Claims;
use crate::call::{Call, Write};
use crate::door::{Effect, Written};
use crate::options::WriteOptions;
use crate::strategy::Strategy;
use crate::subresource::{put_scale, scale_of};
use crate::{kinds, meta, verbs};

/// The subresource whose objects are not those that are stored.
const SCALE: &str = "scale";

/// More attempts than this mean that something else is wrong than bad luck.
const MAX_ATTEMPTS: usize = 100;

/// What is produced depends on other versions of the old and the new object, no more.
const MAX_LESSONS: usize = 4;

/// Makes the new object from the stored one; `None` when nothing is stored. Called once per attempt.
pub(crate) type Produce<'p> = dyn Fn(&mut Call<'_>, Option<&Object>) -> Result<Object> + Send + Sync + 'p;

/// What an update is allowed to do, and how it makes the new object.
pub(crate) struct Change<'p> {
    /// The object's name.
    pub(crate) name: &'p str,
    /// The rules of the endpoint.
    pub(crate) strategy: &'p dyn Strategy,
    /// The client's options.
    pub(crate) options: &'p WriteOptions,
    /// Whether a missing object is created.
    pub(crate) may_create: bool,
    /// A uid the stored object must have; empty for any.
    pub(crate) expect_uid: &'p str,
    /// The step that differs.
    pub(crate) produce: &'p Produce<'p>,
}

/// How an attempt ended.
enum Attempt {
    Done(Written),
    Again,
}

/// Runs a change until it is committed or refused.
pub(crate) async fn run(call: &mut Call<'_>, change: &Change<'_>) -> Result<Written> {
    let before = call.warnings.len();
    for _ in 0..MAX_ATTEMPTS {
        call.warnings.truncate(before);
        if let Attempt::Done(written) = attempt(call, change).await? {
            return Ok(written);
        }
    }
    Err(ApiError::modified(&call.resource.gr, change.name))
}

async fn attempt(call: &mut Call<'_>, change: &Change<'_>) -> Result<Attempt> {
    let Some(live) = call.live(change.name).await? else {
        if !change.may_create {
            return Err(ApiError::not_found(&call.resource.gr, change.name));
        }
        call.also_create()?;
        let new = produced(call, change, None).await?;
        return verbs::create::store_new(call, new, change.options).await.map(Attempt::Done);
    };
    check_uid(call, change, &live.object)?;
    call.slot.object_in_question(|| live.object.clone().into());
    let new = produced(call, change, Some(&live.object)).await?;
    let (admitted, claims) = admit_update(call, change, new, &live.object).await?;
    let Some(new) = admitted.object() else {
        return Err(ApiError::internal("an update was admitted without object"));
    };
    if empties_finalizers(new, &live.object) {
        let effect = Effect::DeleteLast { seen: live.revision, last: &live.object };
        return finish(call, change, admitted, effect).await;
    }
    if same_but_for_version(new, &live.object) {
        return Ok(Attempt::Done(Written::unchanged(call, &live)?));
    }
    finish(call, change, admitted, Effect::Update { seen: live.revision, claims }).await
}

/// The new object. If it takes knowing objects in other versions that a webhook makes, it is produced again with those.
async fn produced(call: &mut Call<'_>, change: &Change<'_>, live: Option<&Object>) -> Result<Object> {
    let before = call.warnings.len();
    for _ in 0..MAX_LESSONS {
        let outcome = (change.produce)(call, live);
        let learned = match call.resource.custom() {
            Some(serving) => call.elsewhere.learn(serving).await?,
            None => false,
        };
        if !learned {
            return outcome;
        }
        call.warnings.truncate(before);
    }
    Err(ApiError::internal("the versions of an object kept differing"))
}

async fn finish(
    call: &mut Call<'_>,
    change: &Change<'_>,
    admitted: Admitted,
    effect: Effect<'_>,
) -> Result<Attempt> {
    if change.options.dry_run {
        return Ok(Attempt::Done(Written::dry(admitted)));
    }
    match call.registry.commit(call, change.name, admitted, effect).await? {
        Some(written) => Ok(Attempt::Done(written)),
        None => Ok(Attempt::Again),
    }
}

/// Everything between the new object and its commit.
async fn admit_update(
    call: &mut Call<'_>,
    change: &Change<'_>,
    mut new: Object,
    old: &Object,
) -> Result<(Admitted, Claims)> {
    let write = Write::update(change.name, change.options);
    mutate(call, &write, &mut new, old).await?;
    if let Some(warning) = meta::dedup_owner_references(&mut new) {
        call.warnings.push(warning);
    }
    check_version(call, change, &mut new, old)?;
    crate::escalation::check(call, &new, Some(old))?;
    let claims = call.registry.allocate(call, &mut new, Some(old))?;
    before_update(call, change.strategy, &mut new, old)?;
    portcullis_schema::managed::keep_times_if_unchanged(&mut new, old);
    let admitted = admit(call, &write, new, old).await?;
    Ok((admitted, claims))
}

/// The mutating pass; what it does to a scale is done to the object that scales.
async fn mutate(call: &Call<'_>, write: &Write<'_>, new: &mut Object, old: &Object) -> Result<()> {
    if &*call.target.subresource != SCALE {
        return call.mutate(write, new, Some(old)).await;
    }
    let (was, mut seen) = (scale_of(call, old)?, scale_of(call, new)?);
    let before = seen.clone();
    call.mutate(write, &mut seen, Some(&was)).await?;
    if seen != before { put_scale(call, &seen, old, new) } else { Ok(()) }
}

/// The validating pass; of a scale it is the scale that is judged.
async fn admit(call: &Call<'_>, write: &Write<'_>, new: Object, old: &Object) -> Result<Admitted> {
    if &*call.target.subresource != SCALE {
        return call.admit(write, Some(new), Some(old)).await;
    }
    let (was, seen) = (scale_of(call, old)?, scale_of(call, &new)?);
    call.admit_as(write, new, (&seen, &was)).await
}

/// The optimistic lock: a version in the request must be the stored one.
fn check_version(call: &Call<'_>, change: &Change<'_>, new: &mut Object, old: &Object) -> Result<()> {
    let given = new.resource_version();
    if given.is_empty() || given == "0" {
        if change.strategy.allow_unconditional_update() {
            let version = old.resource_version().to_owned();
            new.set_meta_str("resourceVersion", &version);
            return Ok(());
        }
        let path = Path::new("metadata").child("resourceVersion");
        let error = Error::invalid(&path, 0_i64, "must be specified for an update");
        let gr = &call.resource.gr;
        return Err(ApiError::invalid(&gr.group, &gr.resource, change.name, &[error]));
    }
    if given.parse::<u64>().is_err() {
        let shown = go_quote(given);
        let why = format!("strconv.ParseUint: parsing {shown}: invalid syntax");
        return Err(ApiError::new(Reason::Unknown, why));
    }
    if given != old.resource_version() {
        return Err(ApiError::modified(&call.resource.gr, change.name));
    }
    Ok(())
}

/// A uid in a PUT body is a precondition.
fn check_uid(call: &Call<'_>, change: &Change<'_>, live: &Object) -> Result<()> {
    if change.expect_uid.is_empty() || change.expect_uid == live.uid() {
        return Ok(());
    }
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
         UID in precondition: {}, UID in object meta: {}",
        shown_key(call, change),
        change.expect_uid,
        live.uid()
    );
    Err(ApiError::conflict(&call.resource.gr, change.name, &why))
}

/// The key as upstream tells it: what is not written does not get as far as the prefix of all keys.
fn shown_key(call: &Call<'_>, change: &Change<'_>) -> String {
    let key = call.resource.key(&call.target.namespace, change.name).to_string();
    let short = key.strip_prefix("/registry").filter(|_| change.options.dry_run);
    short.map_or_else(|| key.clone(), str::to_owned)
}

/// Preparation and validation of a change, in upstream's order.
fn before_update(call: &mut Call<'_>, strategy: &dyn Strategy, new: &mut Object, old: &Object) -> Result<()> {
    let scope = call.resource.scope();
    meta::ensure_namespace(new, scope, &call.target.namespace)?;
    copy_or_remove(new, old, "generation");
    let resource = call.resource;
    let old = &*resource.stored_form(old);
    resource.as_stored(new, |new| {
        strategy.prepare_update(new, old);
        kinds::meta::carry_over(new, old);
        let mut errors = Vec::new();
        kinds::meta::before_update(new, old, scope == Scope::Namespaced, &mut errors);
        crate::device_access::check(call, new, Some(old), &mut errors);
        let warnings = strategy.judge_update(new, old, &mut errors);
        if errors.is_empty() {
            crate::parameters::check(call, new, Some(old), &mut errors);
        }
        if !errors.is_empty() {
            return Err(resource.invalid(new.name(), &errors));
        }
        call.warnings.extend(warnings);
        Ok(())
    })
}

fn copy_or_remove(new: &mut Object, old: &Object, field: &str) {
    match old.metadata().and_then(|meta| meta.get(field)) {
        Some(value) => new.metadata_mut().insert(field.to_owned(), value.clone()),
        None => new.metadata_mut().remove(field),
    };
}

/// Whether a change removes the last finalizer of an object that is waiting to go.
fn empties_finalizers(new: &Object, old: &Object) -> bool {
    let finalized = !is_namespace(old) || spec_is_empty(new);
    let grace =
        old.metadata().and_then(|meta| meta.get("deletionGracePeriodSeconds")).and_then(Value::as_i64);
    finalized && new.finalizers().next().is_none() && old.is_deleting() && grace.unwrap_or(0) == 0
}

/// Namespaces have finalizers in their spec too.
fn is_namespace(object: &Object) -> bool {
    object.kind() == "Namespace" && object.api_version() == "v1"
}

fn spec_is_empty(object: &Object) -> bool {
    object.at(&["spec", "finalizers"]).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn same_but_for_version(new: &Object, old: &Object) -> bool {
    new == old
}
