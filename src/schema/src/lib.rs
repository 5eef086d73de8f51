//! The compiled schema of every kind: decode, prune, default, merge.
//!
//! Everything above this crate works on trees in *normal form*: exactly the JSON that Go would write after
//! reading the object into upstream's struct. `Kind::decode` makes such a tree from bytes in one pass,
//! `Kind::normalize` from a tree that a patch made; both are driven by [`types`], a table of every field.

pub mod custom;
pub mod decode;
pub mod defaults;
mod expressions;
mod kind;
pub mod managed;
mod moment;
mod number;
pub mod patch;
pub mod protobuf;
mod rows;
mod schema;
mod stored;
pub mod types;
pub mod yaml;

pub use decode::{DecodeError, Decoded, FieldValidation, MediaType, Untyped, decode_body, decode_untyped};
pub use kind::{Kind, kind, kind_named, kinds, knows_group_version};
pub use rows::{Column, Group, Row, Store, Subresource, Word, groups, row, row_of_group, row_of_kind, rows};
pub use schema::Schema;
pub use stored::read_stored;
