//! Conversions between two versions that share one store.
//!
//! They are pure functions over trees in normal form, and what one direction cannot say in its own
//! fields it carries in annotations, so that nothing is lost on the way there and back.

pub(crate) mod event;
pub(crate) mod hpa;
mod metrics;
