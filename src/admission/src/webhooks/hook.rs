//! One webhook, compiled.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::Value;
use portcullis_outbound::{HookCaller, HookClient, Limits, ReviewVersion};

use crate::expressions::Scope;
use crate::matching::{Conditions, Criteria, OnFailure};

/// The largest answer: a patch may replace an object of the largest size, and is written in base 64.
const LARGEST: usize = 6 << 20;
/// Upstream's default, which is filled in where the field is missing.
const TIMEOUT: u64 = 10;
const MAX_TIMEOUT: u64 = 30;

/// A webhook of a configuration.
pub(super) struct Hook {
    /// Tells it from all others of its kind.
    pub(super) id: String,
    pub(super) configuration: String,
    pub(super) name: String,
    pub(super) criteria: Criteria,
    pub(super) conditions: Conditions,
    pub(super) on_failure: OnFailure,
    pub(super) effects: SideEffects,
    pub(super) timeout: Duration,
    /// The first version of reviews that both know.
    pub(super) version: Option<ReviewVersion>,
    /// Whether it wants to see the object again when others changed it.
    pub(super) again: bool,
    pub(super) client: Arc<HookClient>,
}

/// What a call does beside its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SideEffects {
    /// Nothing, at least not for a dry run.
    NoneOnDryRun,
    /// Something, or nobody knows.
    Some,
    /// The configuration does not say.
    Unsaid,
}

impl Hook {
    /// Reads a webhook. What cannot be read or compiled makes every call fail, as its failure policy says.
    pub(super) fn read(
        configuration: &str,
        id: String,
        hook: &Value,
        known: Option<&Self>,
        caller: &Arc<HookCaller>,
    ) -> Self {
        let text = |field: &str| hook.get(field).and_then(Value::as_str);
        let config = hook.get("clientConfig").unwrap_or(&Value::Null);
        let limits = Limits { largest: LARGEST, ..Limits::default() };
        let seconds = hook.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(TIMEOUT);
        let same = known.map(|known| &known.client).filter(|client| client.is_of(config));
        let versions = hook.get("admissionReviewVersions").and_then(Value::as_array);
        Self {
            id,
            configuration: configuration.to_owned(),
            name: text("name").unwrap_or_default().to_owned(),
            criteria: Criteria::of_webhook(hook),
            conditions: Conditions::read(hook.get("matchConditions"), &Scope::new().with_authorizer()),
            on_failure: OnFailure::read(hook),
            effects: match text("sideEffects") {
                Some("None" | "NoneOnDryRun") => SideEffects::NoneOnDryRun,
                Some(_) => SideEffects::Some,
                None => SideEffects::Unsaid,
            },
            timeout: Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT)),
            version: versions.into_iter().flatten().filter_map(Value::as_str).find_map(ReviewVersion::named),
            again: text("reinvocationPolicy") == Some("IfNeeded"),
            client: same.cloned().unwrap_or_else(|| Arc::new(HookClient::new(config, limits, caller))),
        }
    }
}
