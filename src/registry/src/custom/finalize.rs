//! The end of a definition: its objects go first, then it does.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_api::{ApiError, Object, Reason, Result, Value, Verb, time};
use portcullis_authz::Permit;
use tokio::time::Instant;
use tracing::warn;

use super::names::{self, Condition, ESTABLISHED, TERMINATING};
use super::{Bound, DEFINITIONS, keeper};
use crate::Registry;
use crate::options::DeleteOptions;
use crate::own::Own;
use crate::verbs::delete;

/// Keeps a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// How long the objects' own finalizers are waited for before that is said.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// Marks a definition as deleted: its objects will be deleted, then itself.
pub(crate) fn begin_deletion(definition: &mut Object) {
    definition.set_meta_str("deletionTimestamp", &time::now_rfc3339());
    if !definition.finalizers().any(|finalizer| finalizer == FINALIZER) {
        let mut finalizers: Vec<Value> = definition.finalizers().map(Value::from).collect();
        finalizers.push(FINALIZER.into());
        definition.metadata_mut().insert("finalizers".to_owned(), finalizers.into());
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    names::set(definition, &terminating(true, "InstanceDeletionPending", message));
}

fn terminating<'a>(holds: bool, reason: &'a str, message: &'a str) -> Condition<'a> {
    Condition { kind: TERMINATING, holds, reason, message }
}

/// Deletes the objects of a definition and lets it go.
pub(super) async fn run(registry: &Weak<Registry>, name: &str) {
    if let Err(error) = attempt(registry, name).await {
        warn!(definition = name, why = error.message(), "The objects of a definition could not be deleted");
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
    if let Some(registry) = registry.upgrade() {
        registry.resources().custom().wake.notify_one();
    }
}

async fn attempt(registry: &Weak<Registry>, name: &str) -> Result<()> {
    let message = "CustomResource deletion is in progress";
    let Some(definition) =
        say(registry, name, &terminating(true, "InstanceDeletionInProgress", message), false).await?
    else {
        return Ok(());
    };
    let outcome = empty(registry, &definition).await;
    let (condition, failed) = match &outcome {
        Ok(condition) => (terminating(false, condition.0, condition.1), None),
        Err((reason, message, error)) => (terminating(true, reason, message), Some(error)),
    };
    say(registry, name, &condition, failed.is_none()).await?;
    match failed {
        Some(error) => Err(ApiError::new(error.reason(), error.message())),
        None => Ok(()),
    }
}

type Failed = (&'static str, String, ApiError);

/// Deletes all objects and waits until they are gone; says why none are left.
async fn empty(
    registry: &Weak<Registry>,
    definition: &Object,
) -> std::result::Result<(&'static str, &'static str), Failed> {
    let (group, plural) =
        (definition.str_at(&["spec", "group"]), definition.str_at(&["spec", "names", "plural"]));
    if portcullis_schema::row_of_group(group, plural).is_some() {
        return Ok(("OverlappingBuiltInResource", "instances overlap with built-in resources in storage"));
    }
    if !names::holds(definition, ESTABLISHED) {
        return Ok(("NeverEstablished", "resource was never established"));
    }
    let ends = Instant::now() + PATIENCE;
    let mut first = true;
    loop {
        let Some(registry) = registry.upgrade() else { return Ok(("", "")) };
        let bound = registry.resources().custom().bound(definition.name()).ok_or_else(|| {
            let error = ApiError::unavailable("the definition is not served");
            ("InstanceDeletionFailed", format!("could not list instances: {}", error.message()), error)
        })?;
        let left = delete_all(&registry, &bound, first).await?;
        if left == 0 {
            return Ok(("InstanceDeletionCompleted", "removed all instances"));
        }
        if Instant::now() >= ends {
            let why = "could not confirm zero CustomResources remaining: context deadline exceeded";
            return Err(("InstanceDeletionCheck", why.to_owned(), ApiError::unavailable(why)));
        }
        first = false;
        drop((registry, bound));
        tokio::time::sleep(POLL).await;
    }
}

/// Deletes what is there, the first time; how many objects are left.
async fn delete_all(
    registry: &Arc<Registry>,
    bound: &Bound,
    first: bool,
) -> std::result::Result<usize, Failed> {
    let list_failed = |error: ApiError| {
        ("InstanceDeletionFailed", format!("could not list instances: {}", error.message()), error)
    };
    let cache = bound.storage.cache().map_err(list_failed)?;
    let stored = |error| list_failed(crate::door::storage_error(error));
    let snapshot = cache.snapshot().await.map_err(stored)?;
    if first {
        let own = Own::new(Permit::assertion_for_upkeep("the objects of a deleted definition go with it"));
        for entry in snapshot.iter() {
            let place = (entry.namespace(), "");
            let mut call = own.call(registry, &bound.storage, Verb::Delete, place);
            match delete::run(&mut call, entry.name(), &DeleteOptions::default()).await {
                Ok(_) => {}
                Err(error) if error.reason() == Reason::NotFound => {}
                Err(error) => {
                    let message = format!("could not issue all deletes: {}", error.message());
                    return Err(("InstanceDeletionFailed", message, error));
                }
            }
        }
    }
    let now = cache.snapshot().await.map_err(stored)?;
    Ok(now.iter().count())
}

/// Sets the condition of a definition that is going; with `last` it is let go. `None` when it is gone.
async fn say(
    registry: &Weak<Registry>,
    name: &str,
    condition: &Condition<'_>,
    last: bool,
) -> Result<Option<Object>> {
    let Some(registry) = registry.upgrade() else { return Ok(None) };
    let (group, version, resource) = DEFINITIONS;
    let definitions =
        registry.resources().get(group, version, resource).ok_or_else(ApiError::no_such_path)?;
    let key = definitions.key("", name);
    let Some(entry) = definitions.entry(&key)? else { return Ok(None) };
    let mut definition = definitions.tree(&entry)?;
    if !definition.is_deleting() {
        return Ok(None);
    }
    names::set(&mut definition, condition);
    if last {
        let kept: Vec<Value> =
            definition.finalizers().filter(|it| *it != FINALIZER).map(Value::from).collect();
        definition.metadata_mut().insert("finalizers".to_owned(), kept.into());
    }
    keeper::write_status(&registry, &definition).await?;
    Ok(Some(definition))
}
