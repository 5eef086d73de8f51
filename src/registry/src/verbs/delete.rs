//! DELETE of one object: preconditions, grace, finalizers for the garbage collector, then either a
//! mark on the object or its removal.

use std::borrow::Cow;

use http::StatusCode;
use portcullis_api::{ApiError, GroupResource, Object, Result, Value, time};
use portcullis_schema::decode::{FieldValidation, MediaType};

use crate::call::{Call, Live};
use crate::door::{Effect, Written};
use crate::negotiate::{self, Endpoint, Output};
use crate::options::{DeleteOptions, Propagation};
use crate::{Response, custom, respond};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
const MAX_ATTEMPTS: usize = 100;

/// Serves a delete of a named object.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Object)?;
    let options = options(call).await?;
    let name = call.target.name.clone();
    call.warnings.extend(call.resource.deletion_warning(&options));
    let outcome = run(call, &name, &options).await?;
    answer(call, output, &options, &name, outcome)
}

/// The options in the body, or else in the query.
pub(crate) async fn options(call: &mut Call<'_>) -> Result<DeleteOptions> {
    let body = call.read_body().await?;
    if body.is_empty() {
        return DeleteOptions::of_query(&call.query);
    }
    let media = call.media_type()?;
    let gv = &call.resource.row.gvr.gv;
    let built_in = call.resource.custom().is_none();
    let (group, version) = if built_in { (&*gv.group, &*gv.version) } else { ("", "v1") };
    let kind = portcullis_schema::kind_named(group, version, "DeleteOptions")
        .ok_or_else(|| ApiError::internal("the DeleteOptions kind is not built in"))?;
    let decoded = match media {
        MediaType::Json => kind.decode(&body, FieldValidation::Ignore),
        MediaType::Yaml => kind.decode_yaml(&body, FieldValidation::Ignore),
        MediaType::Protobuf => kind.decode_protobuf(&body, FieldValidation::Ignore),
    };
    // Upstream reads these by themselves, without the sentence it has for other bodies.
    let decoded = decoded.map_err(|error| {
        ApiError::bad_request(unknown_options(&body).unwrap_or_else(|| error.message().to_owned()))
    })?;
    let options = Value::from(decoded.object);
    call.slot.request_body(|| internal(options.clone()));
    DeleteOptions::of_body(&options)
}

/// The options as upstream's events show them: in the version that it has for itself.
fn internal(mut options: Value) -> Value {
    if let Some(map) = options.as_object_mut() {
        map.insert("apiVersion".into(), "meta.k8s.io/__internal".into());
    }
    options
}

/// What is said of a body of another kind; its scheme knows nothing but options.
fn unknown_options(body: &[u8]) -> Option<String> {
    let tree: Value = serde_json::from_slice(body).ok()?;
    let kind = tree.get("kind")?.as_str().filter(|kind| !matches!(*kind, "" | "DeleteOptions"))?;
    let version = tree.get("apiVersion").and_then(Value::as_str).filter(|version| !version.is_empty());
    Some(crate::options::no_such_options(kind, version.unwrap_or("meta.k8s.io/v1")))
}

/// What a deletion came to.
pub(crate) enum Outcome {
    /// The object is gone; this is its last state.
    Removed(Written),
    /// The object stays until its grace period or finalizers allow it to go.
    Marked(Written),
}

/// What is to be done with the object.
enum Plan<'l> {
    /// Remove it; this is the state clients are shown.
    Remove(Cow<'l, Object>),
    /// Store this marked state.
    Mark(Object),
    /// Store this marked state, so that watchers see it, and then remove the object: it has no grace left.
    MarkAndRemove(Object),
    /// It is going already; change nothing.
    Leave,
}

/// What one attempt at a deletion came to.
enum Attempt {
    Done(Outcome),
    /// The object is marked; the next attempt removes it.
    Marked(Written),
    /// Someone else wrote first.
    Conflict,
}

/// Deletes one object; repeats on write conflicts.
pub(crate) async fn run(call: &mut Call<'_>, name: &str, options: &DeleteOptions) -> Result<Outcome> {
    let mut options = Cow::Borrowed(options);
    for _ in 0..MAX_ATTEMPTS {
        let live = call.live(name).await?.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
        match attempt(call, name, &options, live).await? {
            Attempt::Done(outcome) => return Ok(outcome),
            Attempt::Marked(written) if options.resource_version.is_some() => {
                let version = written.tree()?.resource_version().to_owned();
                options.to_mut().resource_version = Some(version);
            }
            Attempt::Marked(_) | Attempt::Conflict => {}
        }
    }
    Err(ApiError::modified(&call.resource.gr, name))
}

async fn attempt(call: &mut Call<'_>, name: &str, options: &DeleteOptions, live: Live) -> Result<Attempt> {
    let plan = plan(call, options, &live.object)?;
    if matches!(plan, Plan::Leave) {
        drop(plan);
        return Ok(Attempt::Done(Outcome::Marked(Written::unchanged(call, &live)?)));
    }
    let object = match &plan {
        Plan::Mark(object) | Plan::MarkAndRemove(object) => Some(object.clone()),
        Plan::Remove(_) | Plan::Leave => None,
    };
    let admitted = call.admit_deletion(name, options, object, &live.object).await?;
    if options.dry_run {
        return Ok(Attempt::Done(match plan {
            Plan::Mark(object) => Outcome::Marked(Written::shown(object)),
            Plan::Remove(object) => Outcome::Removed(Written::shown(object.into_owned())),
            Plan::MarkAndRemove(object) => Outcome::Removed(Written::shown(object)),
            Plan::Leave => Outcome::Marked(Written::shown(live.object.clone())),
        }));
    }
    let effect = match &plan {
        Plan::Remove(last) => Effect::Delete { seen: live.revision, last },
        _ => Effect::MarkDeleted { seen: live.revision },
    };
    let Some(written) = call.registry.commit(call, name, admitted, effect).await? else {
        return Ok(Attempt::Conflict);
    };
    Ok(match plan {
        Plan::Remove(_) => Attempt::Done(Outcome::Removed(written)),
        Plan::MarkAndRemove(_) => Attempt::Marked(written),
        Plan::Mark(_) | Plan::Leave => Attempt::Done(Outcome::Marked(written)),
    })
}

fn plan<'l>(call: &Call<'_>, options: &DeleteOptions, live: &'l Object) -> Result<Plan<'l>> {
    if call.resource.is("", "namespaces") {
        check_namespace_preconditions(call, options, live)?;
        return Ok(plan_namespace(live));
    }
    if is_definition(call) && !live.is_deleting() {
        check_namespace_preconditions(call, options, live)?;
        let mut object = live.clone();
        custom::begin_deletion(&mut object);
        return Ok(Plan::Mark(object));
    }
    check_preconditions(call, options, live)?;
    let mut object = Cow::Borrowed(live);
    let graceful = match begin_grace(call, options, &mut object)? {
        Grace::None => false,
        Grace::Pending => return Ok(Plan::Leave),
        Grace::Begun => true,
    };
    if !call.resource.is("", "events") && !call.resource.is("events.k8s.io", "events") {
        set_collector_finalizers(call, options, &mut object);
    }
    let held = object.finalizers().next().is_some();
    if !graceful {
        if !held {
            return Ok(Plan::Remove(object));
        }
        mark(object.to_mut());
        return Ok(Plan::Mark(object.into_owned()));
    }
    let seconds = grace_seconds(&object);
    let object = object.into_owned();
    Ok(if held || seconds > 0 { Plan::Mark(object) } else { Plan::MarkAndRemove(object) })
}

/// Namespaces are only marked; the namespace controller empties and finalizes them.
fn plan_namespace(live: &Object) -> Plan<'_> {
    let held =
        live.at(&["spec", "finalizers"]).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if live.is_deleting() {
        let gone = !held && live.finalizers().next().is_none();
        return if gone { Plan::Remove(Cow::Borrowed(live)) } else { Plan::Leave };
    }
    let mut object = live.clone();
    object.set_meta_str("deletionTimestamp", &time::now_rfc3339());
    object.set_at(&["status", "phase"], "Terminating".into());
    Plan::Mark(object)
}

fn is_definition(call: &Call<'_>) -> bool {
    let (group, _, resource) = custom::DEFINITIONS;
    call.resource.is(group, resource)
}

/// Upstream's namespaces and definitions have words of their own for the same refusal.
fn check_namespace_preconditions(call: &Call<'_>, options: &DeleteOptions, live: &Object) -> Result<()> {
    let (gr, name) = (&call.resource.gr, live.name());
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != live.uid()) {
        let found = live.uid();
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
        return Err(ApiError::conflict(gr, name, &why));
    }
    if let Some(version) = options.resource_version.as_deref().filter(|v| *v != live.resource_version()) {
        let found = live.resource_version();
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {found}"
        );
        return Err(ApiError::conflict(gr, name, &why));
    }
    Ok(())
}

/// 409 unless the object is the one the client means.
pub(crate) fn check_preconditions(call: &Call<'_>, options: &DeleteOptions, live: &Object) -> Result<()> {
    // Upstream writes the kind where the resource belongs; clients compare the words.
    let kind = call.resource.stored_kind().gvk();
    let kind = GroupResource::new(kind.gv.group.clone(), kind.kind.clone());
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != live.uid()) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). \
             The object might have been deleted and then recreated",
            live.uid()
        );
        return Err(ApiError::conflict(&kind, live.name(), &why));
    }
    if let Some(version) = options.resource_version.as_deref().filter(|v| *v != live.resource_version()) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            live.resource_version()
        );
        return Err(ApiError::conflict(&kind, live.name(), &why));
    }
    Ok(())
}

enum Grace {
    None,
    Pending,
    Begun,
}

/// Sets the deletion time of a kind that deletes gracefully.
fn begin_grace(call: &Call<'_>, options: &DeleteOptions, object: &mut Cow<'_, Object>) -> Result<Grace> {
    let asked = options.grace_period.map(|seconds| if seconds < 0 { 1 } else { seconds });
    let strategy = call.resource.strategy()?;
    let Some(seconds) = strategy.grace_period(object, asked) else { return Ok(Grace::None) };
    let object = object.to_mut();
    if object.is_deleting() {
        return Ok(shorten_grace(object, asked));
    }
    set_deletion(object, jiff::Timestamp::now(), seconds);
    raise_generation(object);
    Ok(Grace::Begun)
}

/// A second deletion may only bring the end nearer.
fn shorten_grace(object: &mut Object, asked: Option<i64>) -> Grace {
    let current = grace_seconds(object);
    if current == 0 {
        return Grace::None;
    }
    let Some(period) = asked.filter(|period| *period < current) else { return Grace::Pending };
    let now = jiff::Timestamp::now();
    let ends = time::parse(object.meta_str("deletionTimestamp")).unwrap_or(now);
    let begun = ends.saturating_sub(jiff::SignedDuration::from_secs(current)).unwrap_or(now);
    let nearer = begun.saturating_add(jiff::SignedDuration::from_secs(period)).unwrap_or(now);
    if nearer < now {
        set_deletion_at(object, now, i64::from(period != 0));
    } else {
        set_deletion_at(object, nearer, period);
    }
    Grace::Begun
}

fn set_deletion(object: &mut Object, now: jiff::Timestamp, seconds: i64) {
    let at = now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
    set_deletion_at(object, at, seconds);
}

fn set_deletion_at(object: &mut Object, at: jiff::Timestamp, seconds: i64) {
    object.set_meta_str("deletionTimestamp", &time::seconds(at));
    object.metadata_mut().insert("deletionGracePeriodSeconds".into(), seconds.into());
}

fn grace_seconds(object: &Object) -> i64 {
    let meta = object.metadata().and_then(|meta| meta.get("deletionGracePeriodSeconds"));
    meta.and_then(Value::as_i64).unwrap_or(0)
}

fn raise_generation(object: &mut Object) {
    let generation = object.generation();
    if generation > 0 {
        object.metadata_mut().insert("generation".into(), generation.saturating_add(1).into());
    }
}

/// Marks an object that finalizers hold.
fn mark(object: &mut Object) {
    if !object.is_deleting() {
        raise_generation(object);
        object.set_meta_str("deletionTimestamp", &time::now_rfc3339());
    }
    object.metadata_mut().insert("deletionGracePeriodSeconds".into(), 0.into());
}

/// The garbage collector's finalizers follow from the propagation policy.
fn set_collector_finalizers(call: &Call<'_>, options: &DeleteOptions, object: &mut Cow<'_, Object>) {
    let has = |name: &str| object.finalizers().any(|finalizer| finalizer == name);
    let (had_orphan, had_foreground) = (has(ORPHAN), has(FOREGROUND));
    let orphan_default = call.resource.strategy().is_ok_and(|strategy| strategy.orphans_by_default());
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(policy)) => (policy == Propagation::Orphan, policy == Propagation::Foreground),
        (None, None) if had_orphan => (true, false),
        (None, None) if had_foreground => (false, true),
        (None, None) => (orphan_default, false),
    };
    if (orphan, foreground) == (had_orphan, had_foreground) {
        return;
    }
    let kept = object.finalizers().filter(|f| *f != ORPHAN && *f != FOREGROUND).map(Value::from);
    let added = [(orphan, ORPHAN), (foreground, FOREGROUND)].into_iter().filter(|(wanted, _)| *wanted);
    let all: Vec<Value> = kept.chain(added.map(|(_, name)| Value::from(name))).collect();
    let meta = object.to_mut().metadata_mut();
    if all.is_empty() {
        meta.remove("finalizers");
    } else {
        meta.insert("finalizers".into(), Value::Array(all));
    }
}

fn answer(
    call: &mut Call<'_>,
    output: Output,
    options: &DeleteOptions,
    name: &str,
    outcome: Outcome,
) -> Result<Response> {
    match outcome {
        Outcome::Marked(written) => {
            let accepted = options.orphan_dependents == Some(false);
            let code = if accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
            respond::written(call, output, code, &written)
        }
        Outcome::Removed(written) if call.resource.returns_deleted() => {
            respond::written(call, output, StatusCode::OK, &written)
        }
        Outcome::Removed(written) => respond::deleted(call, output, name, written.uid()),
    }
}
