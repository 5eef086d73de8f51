//! The chain beside the log: one signed record for each batch of lines.
//!
//! ```text
//! audit.log        upstream's events, untouched
//! audit.log.chain  {"segment":7,"first":120,"lines":3,…,"prev":…,"root":…,"digests":…,"signature":…}
//! HEAD             the newest segment, its last line and the digest of its record; kept with the key
//! ```
//!
//! * `digests` holds the first 16 bytes of SHA-256 of each line, in base64: which line was touched.
//! * `root` is SHA-256 over the whole digests of the lines: the lines are these, in full strength.
//! * `prev` is SHA-256 of the record before, signature included: no record can go or move.
//! * `signature` is Ed25519 over the record's text up to `,"signature"`.
//! * `lost` counts the events that could not be kept since the record before, `unsent` those that the
//!   webhook could not be sent though they may be in this log, `pruned` is the newest
//!   segment that retention removed, `found` counts lines at the segment's start that a crash had left
//!   unsealed, and `missing` says that this server found the log shorter than the head when it started.
//!
//! `docs/auditors/audit.md` has the format for other readers, and what it does not protect from.

mod key;
mod record;
mod seal;
pub(crate) mod verify;

pub use key::{KeyError, PublicKey, Signer};
pub use record::Head;
pub(crate) use record::{Digest, LineDigest, RecordText, digest, seal_of};
pub(crate) use seal::{Sealer, Unkept};
