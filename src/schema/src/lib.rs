//! The compiled schema of every kind: decode, prune, default, merge.
//!
//! Everything above this crate works on trees in *normal form*: exactly the JSON that Go would write after
//! reading the object into upstream's struct. `Kind::decode` makes such a tree from bytes in one pass,
//! `Kind::normalize` from a tree that a patch made; both are driven by [`types`], a table of every field.

pub mod defaults;
pub mod types;
