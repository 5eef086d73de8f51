//! Validating webhooks: all at once, on the final object.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_api::{Object, Result};
use portcullis_audit::Latency;

use super::call::{Asking, internal};
use super::hook::Hook;
use super::set::Set;
use crate::attributes::Attributes;
use crate::shown::Shown;
use crate::stage::ValidatingStage;
use crate::target::Target;

const FAILED_OPEN: &str = "failed-open.validating.webhook.admission.k8s.io";

/// The stage.
pub(super) struct Validating {
    pub(super) hooks: Set,
    pub(super) patience: Duration,
}

#[async_trait]
impl ValidatingStage for Validating {
    fn is_idle(&self) -> bool {
        self.hooks.is_idle()
    }

    async fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        if write.configures_admission() {
            return Ok(());
        }
        let asking = Asking { write, stage: "validating", mutates: false, patience: self.patience };
        let mut calls: Vec<(Arc<Hook>, usize)> = Vec::new();
        let mut shown: Vec<(Target, Shown<'_>)> = Vec::new();
        for hook in self.hooks.load().iter() {
            let Some(target) = asking.concerns(hook, object).await? else { continue };
            let known = shown.iter().position(|(known, _)| *known == target);
            let place = match known {
                Some(place) => place,
                None => {
                    let view = Shown::of(write, object, &target).await.map_err(internal)?;
                    shown.push((target, view));
                    shown.len() - 1
                }
            };
            calls.push((hook.clone(), place));
        }
        if calls.is_empty() {
            return Ok(());
        }
        asking.left()?;
        let views = &shown;
        let outcomes = join_all(calls.iter().enumerate().map(|(index, (hook, place))| {
            let view = views.get(*place);
            let asking = &asking;
            async move {
                let Some((target, view)) = view else { return Ok(()) };
                one(asking, hook, (view, target), index).await
            }
        }));
        let begun = Instant::now();
        let outcomes = outcomes.await;
        write.notes.took(Latency::ValidatingWebhook, begun.elapsed());
        // Of several refusals the first one's words are told.
        outcomes.into_iter().collect()
    }
}

async fn one(asking: &Asking<'_, '_>, hook: &Hook, view: (&Shown<'_>, &Target), index: usize) -> Result<()> {
    let begun = Instant::now();
    let outcome = asking.ask(hook, view).await;
    let open =
        || asking.write.notes.annotate(format!("{FAILED_OPEN}/round_0_index_{index}"), hook.name.as_str());
    asking.settle(hook, begun, outcome, open).map(drop)
}
