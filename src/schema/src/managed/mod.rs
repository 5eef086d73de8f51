//! Who owns which fields: `metadata.managedFields`.
//!
//! A [`FieldSet`] is a tree of path steps. Walks over an object and its [`ShapeRef`] make such sets: all
//! fields of an object (`own.rs`), or what a change touches (`compare.rs`). A [`Tracker`] moves fields
//! from manager to manager with every write, and applies configurations (`apply.rs`: merge, prune what
//! was abandoned, refuse what others own).

mod apply;
mod compare;
mod conflict;
mod element;
mod entries;
mod fields_v1;
mod kinds;
mod last_applied;
mod merge;
mod name;
mod openapi;
mod own;
mod prune;
mod scalar;
mod scale;
mod set;
mod shape;
mod tracker;
mod unowned;
mod validate;
mod walk;
mod writable;

pub use apply::Request;
pub use compare::{Changes, compare};
pub use element::{BadElement, Element, Keys};
pub use entries::{Entry, ManagedFields, Operation};
pub use fields_v1::BadFields;
pub use merge::merge;
pub use name::{manager_name, validate_entries, validate_manager_name};
pub use openapi::CustomShape;
pub use own::fieldset_of;
pub use prune::{reconcile, remove, with_named_parents};
pub use scalar::{Float, Scalar};
pub use scale::ScaleOwners;
pub use set::{FieldSet, Node, path_text};
pub use shape::ShapeRef;
pub use tracker::{OneVersion, Tracker, Versions, keep_times_if_unchanged};
pub use unowned::merge_unowned;
pub use validate::{Misfits, misfits};
pub use writable::{Writable, writable};

pub(crate) use scalar::{go_float, write_string};
pub(crate) use validate::{go_plain, go_type};

#[cfg(test)]
mod tests;
