//! A whole store at one revision, as data: what a backup holds and a migration moves.
//!
//! ```text
//! magic | revision u64 | keys u64 | (key length u32, key, revision u64, value length u32, value)* | SHA-256
//! ```
//!
//! Numbers are big-endian; the digest is of everything before it but the magic. Values are as they are
//! stored: what is sealed stays sealed. A store is read and a file is written page by page; of a file no more is
//! kept in memory than where its keys lie.

mod decode;
mod encode;
mod file;
mod pages;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;

pub use decode::Decoder;
pub use encode::{Saving, summary};
pub use file::DumpFile;
pub use pages::Pages;

use crate::{Revision, StoreError};

const MAGIC: &[u8] = b"portcullis-store-1\n";
const KEY_BYTES: u32 = 16 << 10;
const VALUE_BYTES: u32 = 64 << 20;

/// How long events live; how much of that is over is not in a dump.
pub(crate) const TTL_OF_EVENTS: Duration = Duration::from_secs(3600);

/// Whether a key ends by itself.
pub(crate) fn ends(key: &str) -> bool {
    key.starts_with("/registry/events/")
}

/// What tells one dump from another.
pub type Digest = [u8; SHA256_OUTPUT_LEN];

/// What a dump is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The revision.
    pub revision: Revision,
    /// How many keys there are.
    pub keys: u64,
    /// The digest of all keys, values and revisions.
    pub digest: Digest,
}

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The file cannot be read or written.
    #[error("the file cannot be read or written")]
    File(#[from] io::Error),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is something else, or damaged.
    #[error("it is not a whole backup: {0}")]
    Damaged(&'static str),
}
