//! What an expression costs: before it is evaluated by the bounds of its data, and while it is.
//!
//! The numbers are upstream's, because they decide which definitions are accepted. One is about 50 ns there.

mod estimate;
mod functions;
mod range;
mod runtime;

pub(crate) use estimate::estimate;
pub use range::Range;
pub(crate) use runtime::Rule;

use crate::shape::Shape;

/// What walking over text costs per octet.
pub(crate) const TEXT: f64 = 0.1;
/// What an expression of a regular expression costs per octet.
pub(crate) const PATTERN: f64 = 0.25;
/// Making a list.
pub(crate) const LIST: u64 = 10;
/// Making a map.
pub(crate) const MAP: u64 = 30;
/// Making a message.
pub(crate) const MESSAGE: u64 = 40;
/// Asking the authorizer.
pub(crate) const CHECK: u64 = 350_000;

/// How large variables can be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'s> {
    root: Option<&'s Shape>,
}

impl<'s> Hints<'s> {
    /// Nothing is known.
    #[must_use]
    pub fn none() -> Self {
        Self { root: None }
    }

    /// Every variable is of this shape.
    #[must_use]
    pub fn of(root: &'s Shape) -> Self {
        Self { root: Some(root) }
    }

    /// The size of what a path leads to, the variable being its first step.
    fn size(&self, path: &[&str]) -> Option<Range> {
        let (_, steps) = path.split_first()?;
        let mut shape = self.root?;
        for step in steps {
            shape = shape.step(step)?;
        }
        Some(Range { min: 0, max: shape.bounds.most })
    }
}
