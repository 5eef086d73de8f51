//! Lists: a part of the data, computed, or two put together without copying.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Val, read};
use crate::error::Fault;
use crate::shape::Shape;

/// A list.
#[derive(Clone, Debug)]
pub enum List<'v> {
    /// Part of the data with the shape of the list.
    Json(&'v [Json], &'v Shape),
    /// Computed.
    Shared(Arc<Vec<Val<'v>>>),
    /// One after the other. The depth is bounded by the expression's.
    Joined(Arc<(List<'v>, List<'v>)>),
}

impl<'v> List<'v> {
    /// The elements that can be read.
    #[must_use]
    pub fn values(&self) -> Vec<Val<'v>> {
        self.iter().filter_map(Result::ok).collect()
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Shared(values) => values.len(),
            Self::Joined(pair) => pair.0.len().saturating_add(pair.1.len()),
        }
    }

    /// The element at a place, if it is there.
    pub(crate) fn get(&self, index: usize) -> Option<Result<Val<'v>, Fault>> {
        match self {
            Self::Json(items, shape) => items.get(index).map(|item| read(item, element(shape))),
            Self::Shared(values) => values.get(index).cloned().map(Ok),
            Self::Joined(pair) => match index.checked_sub(pair.0.len()) {
                Some(rest) => pair.1.get(rest),
                None => pair.0.get(index),
            },
        }
    }

    /// All elements in their order.
    pub(crate) fn iter(&self) -> Iter<'_, 'v> {
        Iter { pending: vec![self], index: 0 }
    }

    /// Two lists put together.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self.len(), other.len()) {
            (_, 0) => self,
            (0, _) => other,
            _ => Self::Joined(Arc::new((self, other))),
        }
    }

    /// The same list as computed values; copied if it is shared.
    pub(crate) fn into_values(self) -> Result<Vec<Val<'v>>, Fault> {
        match self {
            Self::Shared(values) => Ok(Arc::unwrap_or_clone(values)),
            other => other.iter().collect(),
        }
    }
}

/// The shape of the elements of a list of this shape.
pub(super) fn element(shape: &Shape) -> &Shape {
    match &shape.kind {
        crate::shape::Kind::List(element, _) => element,
        _ => shape,
    }
}

/// Goes over the elements of a list.
#[derive(Debug)]
pub(crate) struct Iter<'l, 'v> {
    pending: Vec<&'l List<'v>>,
    index: usize,
}

impl<'v> Iterator for Iter<'_, 'v> {
    type Item = Result<Val<'v>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pending.last()? {
                List::Joined(pair) => {
                    self.pending.pop();
                    self.pending.push(&pair.1);
                    self.pending.push(&pair.0);
                }
                part => {
                    if let Some(value) = part.get(self.index) {
                        self.index += 1;
                        return Some(value);
                    }
                    self.pending.pop();
                    self.index = 0;
                }
            }
        }
    }
}
