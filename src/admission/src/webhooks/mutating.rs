//! Mutating webhooks: one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis_api::{ApiError, Object, Result, Value};
use portcullis_audit::Latency;
use portcullis_schema::managed::ManagedFields;
use portcullis_schema::patch::JsonPatch;
use serde_json::json;

use super::call::{Asking, Failure, internal};
use super::hook::Hook;
use super::review;
use super::set::Set;
use crate::attributes::Attributes;
use crate::shown::Shown;
use crate::stage::{MutatingStage, Round};
use crate::target::Target;

const MUTATION: &str = "mutation.webhook.admission.k8s.io";
const PATCH: &str = "patch.webhook.admission.k8s.io";
/// With this annotation an object names fields that no audit event shows.
const MASKS: &str = "audit.portcullis.io/redact";
/// A longer patch is not repeated in the audit event.
const MAX_NOTED: usize = 64 << 10;

/// The stage.
pub(super) struct Mutating {
    pub(super) hooks: Set,
    pub(super) patience: Duration,
}

#[async_trait]
impl MutatingStage for Mutating {
    fn is_idle(&self) -> bool {
        self.hooks.is_idle()
    }

    async fn mutate(
        &self,
        write: &Attributes<'_>,
        mut object: Option<&mut Object>,
        round: &mut Round<'_>,
    ) -> Result<()> {
        if write.configures_admission() {
            return Ok(());
        }
        let asking = Asking { write, stage: "admit", mutates: true, patience: self.patience };
        for (index, hook) in self.hooks.load().iter().enumerate() {
            let Some(target) = asking.concerns(hook, object.as_deref()).await? else { continue };
            if !round.runs(&hook.id) {
                continue;
            }
            let place = format!("round_{}_index_{index}", u8::from(round.is_second()));
            let one = One { asking: &asking, hook, place };
            let changed = one.run(&target, object.as_deref_mut()).await?;
            if changed {
                round.changed();
            }
            if hook.again {
                round.ran(&hook.id);
            }
        }
        Ok(())
    }
}

/// One hook in one round.
struct One<'a, 'b> {
    asking: &'a Asking<'a, 'b>,
    hook: &'a Arc<Hook>,
    /// Which call this is, in the keys of annotations.
    place: String,
}

impl One<'_, '_> {
    /// Asks the hook and changes the object as it says; tells whether the object is another now.
    async fn run(&self, target: &Target, object: Option<&mut Object>) -> Result<bool> {
        let begun = Instant::now();
        let outcome = self.ask(target, object).await;
        self.asking.write.notes.took(Latency::MutatingWebhook, begun.elapsed());
        let changed = matches!(outcome, Ok(true));
        let (write, hook) = (self.asking.write, self.hook);
        let value = json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": changed});
        write.notes.annotate(format!("{MUTATION}/{}", self.place), value.to_string());
        let open =
            || write.notes.annotate(format!("failed-open.{MUTATION}/{}", self.place), hook.name.as_str());
        Ok(self.asking.settle(hook, begun, outcome, open)?.unwrap_or_default())
    }

    async fn ask(&self, target: &Target, object: Option<&mut Object>) -> Result<bool, Failure> {
        let write = self.asking.write;
        let (answer, patch, before) = {
            let shown = Shown::of(write, object.as_deref(), target).await;
            let shown = shown.map_err(|error| Failure::Refused(internal(error)))?;
            let answer = self.asking.ask(self.hook, (&shown, target)).await?;
            let patch = review::operations(&answer).map_err(|why| Failure::Call(why, 503))?;
            let Some(patch) = patch else { return Ok(false) };
            (answer, patch, shown.object.map(std::borrow::Cow::into_owned))
        };
        let Some(before) = before else {
            let why = format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                self.hook.name
            );
            return Err(Failure::Refused(ApiError::internal_said(&why)));
        };
        let after = self.patched(&patch, &before, target).map_err(Failure::Refused)?;
        self.note(&answer.patch, &before);
        if after == before {
            return Ok(false);
        }
        let asked = write.target();
        let after = match *target == asked {
            true => after,
            false => {
                let converted = write.kinds.convert(after, target, &asked).await;
                converted.map_err(|error| Failure::Refused(internal(error)))?
            }
        };
        if let Some(object) = object {
            *object = after;
        }
        Ok(true)
    }

    /// The object with a patch applied, in normal form.
    fn patched(&self, patch: &JsonPatch, before: &Object, target: &Target) -> Result<Object> {
        let said = |error: ApiError| ApiError::internal_said(error.log().unwrap_or(error.message()));
        let patched = patch.apply(before.map()).map_err(said)?;
        let Value::Object(map) = patched else {
            return Err(ApiError::internal_said("the patched object is no object"));
        };
        let mut after = Object::new(map);
        self.check_type(&after, before)?;
        self.asking.write.kinds.settle(target, &mut after)?;
        self.keep_owners(before, &mut after);
        Ok(after)
    }

    /// Owners of fields that cannot be read are put back as they were.
    fn keep_owners(&self, before: &Object, after: &mut Object) {
        let list = |object: &Object| object.metadata().and_then(|meta| meta.get("managedFields")).cloned();
        let (was, is) = (list(before), list(after));
        if was == is {
            return;
        }
        let entries = is.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let Err(why) = ManagedFields::decode(entries).map(drop) else { return };
        match was {
            Some(was) => after.metadata_mut().insert("managedFields".to_owned(), was),
            None => after.metadata_mut().remove("managedFields"),
        };
        self.asking.write.notes.warn(format!(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated \
             mutating admission controller; please fix your requests: {why}"
        ));
    }

    /// A patch makes no object of another kind.
    fn check_type(&self, after: &Object, before: &Object) -> Result<()> {
        let same = |read: fn(&Object) -> &str| read(after) == read(before);
        if same(Object::kind) && same(Object::api_version) {
            return Ok(());
        }
        let why =
            format!("admission webhook {:?} attempted to change the kind of the object", self.hook.name);
        Err(ApiError::internal_said(&why))
    }

    /// What was changed, for audit where it records bodies; an object that wants parts of it masked is not quoted.
    fn note(&self, patch: &[u8], object: &Object) {
        if patch.len() > MAX_NOTED || object.annotations().any(|(key, _)| key == MASKS) {
            return;
        }
        let (write, hook) = (self.asking.write, self.hook);
        let patch: Value = serde_json::from_slice(patch).unwrap_or_default();
        let value = json!({
            "configuration": hook.configuration,
            "webhook": hook.name,
            "patch": patch,
            "patchType": "JSONPatch",
        });
        write.notes.quote(format!("{PATCH}/{}", self.place), value.to_string());
    }
}
