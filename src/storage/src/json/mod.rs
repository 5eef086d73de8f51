//! Looking into stored JSON without building a tree of it.
//!
//! Stored values were written by this program, so a scan that only follows quotes and brackets is
//! enough to find members; it never reads out of bounds and needs no recursion, whatever the bytes.

mod parts;
mod scan;
mod splice;
mod view;

pub use parts::Parts;
pub use view::View;

pub(crate) use splice::{Object, Spliced};

/// Why bytes are not a stored object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not a JSON object at all.
    #[error("the value is not a JSON object")]
    NotAnObject,
    /// It has no `apiVersion` or `kind`.
    #[error("the object has no apiVersion and kind")]
    NoTypeMeta,
    /// It has no `metadata` object.
    #[error("the object has no metadata")]
    NoMetadata,
    /// It is larger than a cache entry can be.
    #[error("the object is larger than 4 GiB")]
    TooLarge,
}

#[cfg(test)]
mod tests;
