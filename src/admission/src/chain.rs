//! The plugins in order, and the proof that an object passed them.

use portcullis_api::{Object, Result};

use crate::attributes::Attributes;
use crate::ledger::Reservation;

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
pub struct Chain(Vec<Box<dyn Plugin>>);

impl Chain {
    /// A chain of the given plugins.
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self(plugins)
    }

    /// The plugins' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|plugin| plugin.name())
    }

    /// The first pass: every plugin may change the object.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        self.handling(write).try_for_each(|plugin| plugin.mutate(write, object))
    }

    /// The second pass: every plugin may refuse, then those that reserve do so.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub fn admit(&self, write: &Attributes<'_>, object: Option<Object>) -> Result<Admitted> {
        self.handling(write).try_for_each(|plugin| plugin.validate(write, object.as_ref()))?;
        let mut reservations = Vec::new();
        if let Some(object) = &object {
            for plugin in self.handling(write) {
                reservations.extend(plugin.reserve(write, object)?);
            }
        }
        Ok(Admitted { object, reservations })
    }

    fn handling<'a>(&'a self, write: &'a Attributes<'_>) -> impl Iterator<Item = &'a dyn Plugin> {
        self.0.iter().map(AsRef::as_ref).filter(move |plugin| plugin.handles(write))
    }
}
