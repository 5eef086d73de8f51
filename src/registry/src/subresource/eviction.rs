//! `pods/NAME/eviction`: a deletion that pod disruption budgets may refuse.
//!
//! ```text
//! decode -> admit -> find the budget -> spend one disruption of it -> mark the pod -> delete it
//! ```
//! A pod that is finished, pending or going already costs no disruption; one that is not ready may be free as
//! well. What was free is deleted only as it was seen, since it may have become ready in between.

mod budget;

use std::borrow::Cow;

use portcullis_api::field::{Error, Path};
use portcullis_api::{ApiError, Object, Reason, Result, Value, time};
use portcullis_schema::{Decoded, FieldValidation, MediaType, decode_body};
use serde_json::json;

use self::budget::Cost;
use crate::call::{Call, Write};
use crate::meta;
use crate::negotiate::{self, Endpoint};
use crate::options::{DeleteOptions, WriteOptions};
use crate::verbs::delete;
use crate::verbs::update::{self, Change};
use crate::{Response, respond};

/// A pod that keeps changing is given up after so many attempts, as upstream.
const ATTEMPTS: usize = 20;

pub(super) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output(call.headers, &call.query, Endpoint::Plain)?;
    let body = call.read_body().await?;
    let options = WriteOptions::of_create(&call.query)?;
    let decoded = decode(&body, call.media_type()?, options.field_validation)?;
    call.warnings.extend(decoded.problems);
    call.tell_decoded(&decoded.object);
    let mut eviction = decoded.object;
    let name = call.target.name.clone();
    if *eviction.name() != *name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    meta::ensure_namespace(&mut eviction, call.resource.scope(), &call.target.namespace)?;
    let dry_run = check_options(&eviction, &options)?;
    let write = Write::create(&name, &options);
    call.mutate(&write, &mut eviction, None).await?;
    let admitted = call.admit(&write, Some(eviction), None).await?;
    let eviction = admitted.into_object().unwrap_or_default();
    // What follows was admitted with it.
    call.follows = true;
    let mut how = match eviction.get("deleteOptions") {
        Some(tree) => DeleteOptions::of_body(tree)?,
        None => DeleteOptions::default(),
    };
    how.dry_run |= dry_run;
    evict(call, &name, &how).await?;
    respond::created_status(call, output)
}

/// An eviction of `policy/v1`, which clients of old still write as `policy/v1beta1`.
fn decode(body: &[u8], media: MediaType, validation: FieldValidation) -> Result<Decoded> {
    let kind = portcullis_schema::kind_named("policy", "v1", "Eviction")
        .ok_or_else(|| ApiError::internal("the Eviction kind is not built in"))?;
    decode_body(kind, body, media, validation).or_else(|refused| {
        let mut older =
            decode_body(&kind.at_version("v1beta1"), body, media, validation).map_err(|_| refused)?;
        older.object.map_mut().insert("apiVersion".to_owned(), kind.api_version().into());
        Ok(older)
    })
}

/// Whether nothing is to be written. The request and its body must not contradict each other.
fn check_options(eviction: &Object, options: &WriteOptions) -> Result<bool> {
    const UNREADABLE: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if eviction.at(&["deleteOptions", UNREADABLE]) == Some(&Value::Bool(true)) {
        let path = Path::new("deleteOptions").child(UNREADABLE);
        let why = "can not be set for pod eviction, try after removing the option";
        let error = Error::invalid(&path, Value::Bool(true), why);
        return Err(ApiError::invalid("policy", "Eviction", eviction.name(), &[error]));
    }
    let body = eviction.at(&["deleteOptions", "dryRun"]).and_then(Value::as_array);
    let body: Vec<&str> = body.into_iter().flatten().filter_map(Value::as_str).collect();
    if options.dry_run && !body.is_empty() && body != ["All"] {
        let body = body.join(" ");
        let message = format!("Non-matching dry-run options in request and content: [All] and [{body}]");
        return Err(ApiError::new(Reason::Unknown, message));
    }
    Ok(options.dry_run)
}

async fn evict(call: &mut Call<'_>, name: &str, how: &DeleteOptions) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let live = call.live(name).await?.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
        // What the client asked for and is not so will not be so at another attempt.
        delete::check_preconditions(call, how, &live.object)?;
        if !is_free(&live.object) {
            return evict_counted(call, &live.object, how).await;
        }
        let how = if is_over(&live.object) { Cow::Borrowed(how) } else { as_seen(how, &live.object) };
        let chosen = matches!(how, Cow::Borrowed(_));
        match mark_and_delete(call, name, &how).await {
            Err(error) if error.reason() == Reason::Conflict && !chosen => {}
            other => return other,
        }
    }
    Err(ApiError::modified(&call.resource.gr, name))
}

/// Evicts a pod that runs.
async fn evict_counted(call: &mut Call<'_>, pod: &Object, how: &DeleteOptions) -> Result<()> {
    match budget::charge(call, pod, how.dry_run).await? {
        Cost::Paid => mark_and_delete(call, pod.name(), how).await,
        Cost::FreeWhileUnready(budget) => {
            let seen = as_seen(how, pod);
            let outcome = mark_and_delete(call, pod.name(), &seen).await;
            let conflicts = outcome.as_ref().is_err_and(|error| error.reason() == Reason::Conflict);
            if conflicts && how.resource_version.is_none() {
                return Err(budget::still_processed(&budget));
            }
            outcome
        }
    }
}

/// The options, bound to the version that was seen unless the client chose one.
fn as_seen<'o>(how: &'o DeleteOptions, pod: &Object) -> Cow<'o, DeleteOptions> {
    if how.resource_version.is_some() {
        return Cow::Borrowed(how);
    }
    let resource_version = Some(pod.resource_version().to_owned());
    Cow::Owned(DeleteOptions { resource_version, ..how.clone() })
}

/// Finished, pending and already deleting pods do not count against a budget.
fn is_free(pod: &Object) -> bool {
    is_over(pod) || pod.str_at(&["status", "phase"]) == "Pending"
}

fn is_over(pod: &Object) -> bool {
    matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed") || pod.is_deleting()
}

/// Says in the pod's status why it goes, and deletes it.
async fn mark_and_delete(call: &mut Call<'_>, name: &str, how: &DeleteOptions) -> Result<()> {
    if how.dry_run {
        return delete::run(call, name, how).await.map(drop);
    }
    let mut pods = call.redirect("", "v1", "pods")?;
    let strategy = pods.resource.endpoint_strategy("status")?;
    let options = WriteOptions::own("", false);
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
        delete::check_preconditions(call, how, live)?;
        Ok(marked(live))
    };
    let change =
        Change { name, strategy, options: &options, may_create: false, expect_uid: "", produce: &produce };
    let written = update::run(&mut pods, &change).await?;
    let mut how = Cow::Borrowed(how);
    if how.resource_version.is_some() {
        // The mark is this request's own doing.
        how.to_mut().resource_version = Some(written.tree()?.resource_version().to_owned());
    }
    delete::run(call, name, &how).await.map(drop)
}

fn marked(pod: &Object) -> Object {
    let mut new = pod.clone();
    let condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": null,
    });
    set_condition(&mut new, condition);
    new
}

/// Sets a condition of a status; its time is that of the last change of its own status.
fn set_condition(object: &mut Object, mut condition: Value) {
    let listed = object.at(&["status", "conditions"]).and_then(Value::as_array);
    let mut conditions = listed.cloned().unwrap_or_default();
    let known = conditions.iter_mut().find(|known| known.get("type") == condition.get("type"));
    let same = known.as_deref().filter(|known| known.get("status") == condition.get("status"));
    let since = same.and_then(|same| same.get("lastTransitionTime")).cloned();
    if let Some(map) = condition.as_object_mut() {
        let since = since.unwrap_or_else(|| time::now_rfc3339().into());
        map.insert("lastTransitionTime".into(), since);
    }
    match known {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
    object.set_at(&["status", "conditions"], Value::Array(conditions));
}
