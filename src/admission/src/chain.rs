//! The plugins in order, and the proof that an object passed them.

use std::sync::Arc;

use futures::future::BoxFuture;
use portcullis_api::{Object, Result};

use crate::attributes::Attributes;
use crate::ledger::Reservation;
use crate::stage::{Memory, MutatingStage, Round, ValidatingStage};

/// One admission plugin. Small and alone: it knows nothing of the others.
pub trait Plugin: Send + Sync + 'static {
    /// The name upstream knows it by.
    fn name(&self) -> &'static str;

    /// Whether this plugin has a say in such a write. Asked before anything else; must be cheap.
    fn handles(&self, write: &Attributes<'_>) -> bool;

    /// Changes the object before it is validated, or refuses.
    ///
    /// # Errors
    /// The refusal the client reads.
    fn mutate(&self, _write: &Attributes<'_>, _object: &mut Object) -> Result<()> {
        Ok(())
    }

    /// Refuses the object, or the deletion when there is none.
    ///
    /// # Errors
    /// The refusal the client reads.
    fn validate(&self, _write: &Attributes<'_>, _object: Option<&Object>) -> Result<()> {
        Ok(())
    }

    /// Takes the object's share of something limited. Asked when every plugin has let the object pass.
    ///
    /// # Errors
    /// The refusal the client reads.
    fn reserve(&self, _write: &Attributes<'_>, _object: &Object) -> Result<Option<Reservation>> {
        Ok(None)
    }
}

/// An object (or a deletion) that every plugin admitted. Only [`Chain::admit`] makes one, and the
/// registry's storage door takes nothing else.
///
/// ```compile_fail
/// let forged = portcullis_admission::Admitted { object: None, reservations: Vec::new() };
/// ```
#[must_use = "an admitted write that is not committed has no effect"]
pub struct Admitted {
    object: Option<Object>,
    reservations: Vec<Reservation>,
}

impl Admitted {
    /// The object to store; none for a deletion.
    pub fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    /// Hands out what was reserved for the object. Whoever commits adds the charges to the quotas'
    /// stored status, and only then lets go.
    pub fn take_reservations(&mut self) -> Vec<Reservation> {
        std::mem::take(&mut self.reservations)
    }

    /// Gives the object up, and with it every reservation that was not taken before.
    pub fn into_object(self) -> Option<Object> {
        self.object
    }
}

/// All plugins, in the order they run.
///
/// ```text
/// mutate   built-in plugins -> mutating policies -> mutating webhooks   (once more if one of the latter changed something)
///          (the kind's own preparation and validation)
/// admit    built-in plugins -> validating policies -> validating webhooks -> reservations
/// ```
pub struct Chain {
    plugins: Vec<Box<dyn Plugin>>,
    /// The stages that do not run, by their names in [`STAGES`].
    off: Vec<&'static str>,
    mutating: [Option<Arc<dyn MutatingStage>>; 2],
    validating: [Option<Arc<dyn ValidatingStage>>; 2],
}

/// Upstream's names of the stages that ask what is stored: first those that change, then those that refuse.
pub const STAGES: [&str; 4] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// The places of the stages.
const POLICIES: usize = 0;
const WEBHOOKS: usize = 1;

impl Chain {
    /// A chain of the given plugins.
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self { plugins, off: Vec::new(), mutating: [None, None], validating: [None, None] }
    }

    /// Without the stages of these names, whatever is stored for them.
    #[must_use]
    pub fn without(mut self, names: &[String]) -> Self {
        self.off = STAGES.into_iter().filter(|stage| names.iter().any(|name| name == stage)).collect();
        self
    }

    fn runs(&self, stage: &'static str) -> bool {
        !self.off.contains(&stage)
    }

    /// With policies, which run before the webhooks.
    #[must_use]
    pub fn with_policies(
        mut self,
        mutating: Arc<dyn MutatingStage>,
        validating: Arc<dyn ValidatingStage>,
    ) -> Self {
        self.mutating[POLICIES] = self.runs("MutatingAdmissionPolicy").then_some(mutating);
        self.validating[POLICIES] = self.runs("ValidatingAdmissionPolicy").then_some(validating);
        self
    }

    /// With webhooks, which run last.
    #[must_use]
    pub fn with_webhooks(
        mut self,
        mutating: Arc<dyn MutatingStage>,
        validating: Arc<dyn ValidatingStage>,
    ) -> Self {
        self.mutating[WEBHOOKS] = self.runs("MutatingAdmissionWebhook").then_some(mutating);
        self.validating[WEBHOOKS] = self.runs("ValidatingAdmissionWebhook").then_some(validating);
        self
    }

    /// The plugins' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.plugins.iter().map(|plugin| plugin.name())
    }

    /// The first pass: every plugin, then every stage may change the object.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        self.prepare(write, object)?;
        if self.mutates(write) { self.stages(write, Some(object)).await } else { Ok(()) }
    }

    /// The second pass: every plugin, then every stage may refuse, then those that reserve do so.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, write: &Attributes<'_>, object: Option<Object>) -> Result<Admitted> {
        self.handling(write).try_for_each(|plugin| plugin.validate(write, object.as_ref()))?;
        if self.validates(write) {
            self.judge(write, object.as_ref()).await?;
        }
        let mut reservations = Vec::new();
        if let Some(object) = &object {
            for plugin in self.handling(write) {
                reservations.extend(plugin.reserve(write, object)?);
            }
        }
        Ok(Admitted { object, reservations })
    }

    /// The second pass of an object that is judged by what is shown of it: a workload by its scale.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit_as(&self, write: &Attributes<'_>, object: Object, shown: &Object) -> Result<Admitted> {
        self.handling(write).try_for_each(|plugin| plugin.validate(write, Some(shown)))?;
        if self.validates(write) {
            self.judge(write, Some(shown)).await?;
        }
        Ok(Admitted { object: Some(object), reservations: Vec::new() })
    }

    /// Both passes of a deletion. `marked` is what is stored when the object is only marked; stages see
    /// the object that is to go, and none in its place.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit_deletion(&self, write: &Attributes<'_>, marked: Option<Object>) -> Result<Admitted> {
        self.handling(write).try_for_each(|plugin| plugin.validate(write, marked.as_ref()))?;
        if self.mutates(write) {
            self.stages(write, None).await?;
        }
        if self.validates(write) {
            self.judge(write, None).await?;
        }
        Ok(Admitted { object: marked, reservations: Vec::new() })
    }

    /// The mutating pass of the built-in plugins.
    fn prepare(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        self.handling(write).try_for_each(|plugin| plugin.mutate(write, object))
    }

    fn mutates(&self, write: &Attributes<'_>) -> bool {
        !write.follows && self.mutating.iter().flatten().any(|stage| !stage.is_idle())
    }

    fn validates(&self, write: &Attributes<'_>) -> bool {
        !write.follows && self.validating.iter().flatten().any(|stage| !stage.is_idle())
    }

    /// The mutating stages, twice if one of them changed the object. Boxed: it is rare, and its state is
    /// not to be carried by every write.
    fn stages<'c>(
        &'c self,
        write: &'c Attributes<'_>,
        mut object: Option<&'c mut Object>,
    ) -> BoxFuture<'c, Result<()>> {
        Box::pin(async move {
            let mut memories: [Memory; 2] = Default::default();
            let mut wanted = false;
            self.round(write, object.as_deref_mut(), (false, &mut wanted, &mut memories)).await?;
            if !wanted {
                return Ok(());
            }
            if let Some(object) = object.as_deref_mut() {
                self.prepare(write, object)?;
            }
            self.round(write, object, (true, &mut wanted, &mut memories)).await
        })
    }

    async fn round(
        &self,
        write: &Attributes<'_>,
        mut object: Option<&mut Object>,
        (second, wanted, memories): (bool, &mut bool, &mut [Memory; 2]),
    ) -> Result<()> {
        for (stage, memory) in self.mutating.iter().zip(memories) {
            let Some(stage) = stage.as_ref().filter(|stage| !stage.is_idle()) else { continue };
            let mut round = Round::new(second, wanted, memory);
            round.begin(object.as_deref());
            stage.mutate(write, object.as_deref_mut(), &mut round).await?;
            round.end(object.as_deref());
        }
        Ok(())
    }

    fn judge<'c>(
        &'c self,
        write: &'c Attributes<'_>,
        object: Option<&'c Object>,
    ) -> BoxFuture<'c, Result<()>> {
        Box::pin(async move {
            for stage in self.validating.iter().flatten().filter(|stage| !stage.is_idle()) {
                stage.validate(write, object).await?;
            }
            Ok(())
        })
    }

    fn handling<'a>(&'a self, write: &'a Attributes<'_>) -> impl Iterator<Item = &'a dyn Plugin> {
        self.plugins.iter().map(AsRef::as_ref).filter(move |plugin| plugin.handles(write))
    }
}
