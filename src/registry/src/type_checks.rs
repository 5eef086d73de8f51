//! Checks the types of validating policies after they were written, and says in their status what was found.
//!
//! A policy is in force before that: what is found changes nothing about it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_admission::policies::{Known, type_check};
use portcullis_api::{ApiError, Gvk, Gvr, Object, Reason, Result, Value, Verb, time};
use portcullis_authz::Permit;
use portcullis_cel::Shape;
use portcullis_schema::managed;
use portcullis_storage::{ResourceCache, WatchStart};
use serde_json::json;
use tracing::warn;

use crate::Registry;
use crate::call::Call;
use crate::options::WriteOptions;
use crate::own::Own;
use crate::resource::Resource;
use crate::verbs::update::{self, Change};

/// What failed is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// As whom the status is written.
const MANAGER: &str = "validatingadmissionpolicy-status";

/// Begins to follow the policies.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn start(registry: &Arc<Registry>) -> Result<()> {
    let cache = policies(registry)?.cache()?.clone();
    let task = tokio::spawn(run(Arc::downgrade(registry), cache));
    registry.keep_checks(task);
    Ok(())
}

fn policies(registry: &Registry) -> Result<&Arc<Resource>> {
    let found = registry.resources().get("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies");
    found.ok_or_else(|| ApiError::internal("policies are not served"))
}

async fn run(registry: Weak<Registry>, cache: Arc<ResourceCache>) {
    loop {
        let Ok(mut watcher) = cache.watch(WatchStart::Initial).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        loop {
            let Some(strong) = registry.upgrade() else { return };
            let outcome = pass(&strong).await;
            drop(strong);
            if let Err(error) = outcome {
                warn!(why = error.message(), "A policy's types could not be checked");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            if watcher.next_batch().await.is_err() {
                break;
            }
        }
    }
}

/// Checks every policy that was not checked since it changed.
async fn pass(registry: &Registry) -> Result<()> {
    let resource = policies(registry)?;
    for policy in registry.trees(resource, "")? {
        if generation(&policy, &["metadata", "generation"])
            > generation(&policy, &["status", "observedGeneration"])
        {
            check(registry, resource, &policy).await?;
        }
    }
    Ok(())
}

fn generation(policy: &Object, path: &[&str]) -> i64 {
    policy.at(path).and_then(Value::as_i64).unwrap_or_default()
}

async fn check(registry: &Registry, resource: &Arc<Resource>, policy: &Object) -> Result<()> {
    static NOTHING: Value = Value::Null;
    let warnings = type_check(policy.get("spec").unwrap_or(&NOTHING), registry);
    let checked = generation(policy, &["metadata", "generation"]);
    let checking = match warnings.is_empty() {
        true => json!({}),
        false => json!({ "expressionWarnings": warnings }),
    };
    let config = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy.name()},
        "status": {"observedGeneration": checked, "typeChecking": checking},
    });
    let Value::Object(config) = config else { return Ok(()) };
    apply(registry, resource, &Object::new(config)).await
}

async fn apply(registry: &Registry, resource: &Arc<Resource>, config: &Object) -> Result<()> {
    let own = Own::new(Permit::assertion_for_upkeep("the status of policies follows from what they say"));
    let mut call = own.call(registry, resource, Verb::Update, ("", "status"));
    let options = WriteOptions::own(MANAGER, false);
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, config.name()))?;
        let versions = call.resource.versions("status", &call.elsewhere);
        let tracker = call.resource.tracker("status", &versions);
        let now = time::now_rfc3339();
        let merge = || {
            let request = managed::Request { manager: MANAGER, force: true, config, now: &now };
            tracker.apply(request, Some(live))
        };
        let mut new = merge()?;
        call.resource.normalize_applied(&mut new, config, options.field_validation, merge)?;
        call.resource.kind.fill_defaults(&mut new)?;
        call.resource.kind.forget_empties(&mut new);
        Ok(new)
    };
    let strategy = resource.endpoint_strategy("status")?;
    let name = config.name();
    let change =
        Change { name, strategy, options: &options, may_create: false, expect_uid: "", produce: &produce };
    match update::run(&mut call, &change).await {
        Err(error) if error.reason() == Reason::NotFound => Ok(()),
        other => other.map(drop),
    }
}

impl Known for Registry {
    fn kind_of(&self, resource: &Gvr) -> Option<Gvk> {
        let found = self.resources().find(&resource.gv.group, &resource.gv.version, &resource.resource)?;
        Some(found.gvk().clone())
    }

    fn shape_of(&self, kind: &Gvk) -> Option<Arc<Shape>> {
        Some(self.resources().of_kind(kind)?.kind.expression_shape())
    }
}
