//! The text of a record, and of the head.

use aws_lc_rs::digest::{SHA256, digest as hash};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::key::{PublicKey, Signer};

/// SHA-256.
pub(crate) type Digest = [u8; 32];
/// The first half of a line's SHA-256.
pub(crate) type LineDigest = [u8; 16];

const SIGNATURE: &str = ",\"signature\":\"";

/// SHA-256 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash(&SHA256, bytes).as_ref());
    out
}

/// What a record says.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordText {
    /// Its number, from 1.
    pub(crate) segment: u64,
    /// The number of its first line, from 1, over all files.
    pub(crate) first: u64,
    /// How many lines it seals.
    pub(crate) lines: u64,
    /// When it was made.
    pub(crate) at: String,
    /// How many events were lost since the record before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) lost: u64,
    /// How many events the webhook was not sent since the record before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unsent: u64,
    /// The newest segment that retention removed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) pruned: u64,
    /// How many of its first lines a crash had left unsealed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) found: u64,
    /// The newest segment that the head promised and the log did not have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) missing: u64,
    /// The digest of the record before; empty for the first.
    pub(crate) prev: String,
    /// The digest over its lines' digests.
    pub(crate) root: String,
    /// The halves of its lines' digests.
    pub(crate) digests: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl RecordText {
    /// The record as a line, signed, without the line's end.
    pub(crate) fn signed(&self, signer: &Signer) -> String {
        // Numbers and plain text always serialise.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.pop();
        let signature = signer.sign(text.as_bytes());
        text.extend([SIGNATURE, &signature, "\"}"]);
        text
    }

    /// Reads a line and checks its signature.
    pub(crate) fn verified(line: &str, key: &PublicKey) -> Result<Self, &'static str> {
        let (text, signature) = line.rsplit_once(SIGNATURE).ok_or("is no record")?;
        let signature = signature.strip_suffix("\"}").ok_or("is no record")?;
        if !key.verifies(text.as_bytes(), signature) {
            return Err("has a wrong signature");
        }
        serde_json::from_str(&format!("{text}}}")).map_err(|_| "is no record")
    }

    /// The halves of the lines' digests.
    pub(crate) fn line_digests(&self) -> Option<Vec<LineDigest>> {
        let bytes = STANDARD.decode(&self.digests).ok()?;
        let (halves, rest) = bytes.as_chunks::<16>();
        (rest.is_empty() && u64::try_from(halves.len()).ok()? == self.lines).then(|| halves.to_vec())
    }
}

/// The digests of a batch of lines, as a record holds them: `(root, digests)`.
pub(crate) fn seal_of(lines: &[Digest]) -> (String, String) {
    let halves: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().take(16)).collect();
    (hex::encode(digest(lines.as_flattened())), STANDARD.encode(halves))
}

/// The newest segment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Its number.
    pub segment: u64,
    /// The number of its last line.
    pub line: u64,
    /// The digest of its record, in hexadecimal.
    pub digest: String,
}

impl Head {
    /// The head in a key directory; none before anything was sealed.
    pub fn in_directory(directory: &std::path::Path) -> std::io::Result<Option<Self>> {
        match std::fs::read_to_string(super::key::head_in(directory)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            text => Ok(Self::parse(&text?)),
        }
    }

    /// Reads the text that its `Display` makes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (segment, line) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let digest =
            words.next().filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()))?;
        words.next().is_none().then(|| Self { segment, line, digest: digest.to_owned() })
    }
}

impl std::fmt::Display for Head {
    /// Of one length always, so that it can be written over in place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020} {:020} {}", self.segment, self.line, self.digest)
    }
}
