//! The plugins in order, and the proof that an object passed them.

use portcullis_api::{Object, Result};

use crate::attributes::Attributes;

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
}

/// An object (or a deletion) that every plugin admitted. Only [`Chain::admit`] makes one, and the
/// registry's storage door takes nothing else.
///
/// ```compile_fail
/// let forged = portcullis_admission::Admitted { object: None };
/// ```
#[must_use = "an admitted write that is not committed has no effect"]
pub struct Admitted {
    object: Option<Object>,
}

impl Admitted {
    /// The object to store; none for a deletion.
    pub fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    /// Gives the object up.
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

    /// The second pass: every plugin may refuse.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub fn admit(&self, write: &Attributes<'_>, object: Option<Object>) -> Result<Admitted> {
        self.handling(write).try_for_each(|plugin| plugin.validate(write, object.as_ref()))?;
        Ok(Admitted { object })
    }

    fn handling<'a>(&'a self, write: &'a Attributes<'_>) -> impl Iterator<Item = &'a dyn Plugin> {
        self.0.iter().map(AsRef::as_ref).filter(move |plugin| plugin.handles(write))
    }
}
