//! Trees of built-in kinds as protobuf and back, the way upstream's types are encoded.
//!
//! [`encode`] writes a tree in normal form along the types, [`encode_json`] and [`ListWriter`] its JSON without
//! making a tree of it; `Kind::decode_protobuf` reads a body into a loose tree, which then goes through the
//! same decoding as JSON. `wire` knows tags and varints. Structs that JSON inlines are messages of their own
//! here (`Proto::via`, `inlined`).

mod envelope;
mod inlined;
mod list;
mod read;
mod special;
mod wire;
mod write;

pub(crate) use envelope::decode_stored;
pub use envelope::{MAGIC, encode, encode_json, encode_watch_event};
pub use list::ListWriter;

#[cfg(test)]
mod tests;
