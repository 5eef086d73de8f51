//! A whole store at one revision, as data: what a backup holds and a migration moves.
//!
//! ```text
//! magic | revision u64 | keys u64 | (key length u32, key, revision u64, value length u32, value)* | SHA-256
//! ```
//!
//! Numbers are big-endian; the digest is of everything before it but the magic. Values are as they are
//! stored: what is sealed stays sealed.

use std::io::{self, Read, Write};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use crate::{KeyValue, Range, Revision, Store, StoreError};

const MAGIC: &[u8] = b"portcullis-store-1\n";
const KEY_BYTES: u32 = 16 << 10;
const VALUE_BYTES: u32 = 64 << 20;

/// How long events live; how much of that is over is not in a dump.
pub(crate) const TTL_OF_EVENTS: Duration = Duration::from_secs(3600);

/// Whether a key ends by itself.
pub(crate) fn ends(key: &str) -> bool {
    key.starts_with("/registry/events/")
}

/// All keys of a store at one revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dump {
    /// The revision.
    pub revision: Revision,
    /// The keys in order.
    pub kvs: Vec<KeyValue>,
}

/// What tells one dump from another.
pub type Digest = [u8; SHA256_OUTPUT_LEN];

/// Why a file is no dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is something else, or damaged.
    #[error("it is not a whole backup: {0}")]
    Damaged(&'static str),
}

impl Dump {
    /// Everything a store holds now. Give the engine itself, without a codec.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let all = store.range(Range::default()).await?;
        Ok(Self { revision: all.revision, kvs: all.kvs })
    }

    /// The digest of all keys, values and revisions.
    pub fn digest(&self) -> Digest {
        let mut hashing = Hashing { context: Context::new(&SHA256), out: io::sink() };
        // A sink takes everything.
        let _ = self.write_body(&mut hashing);
        hashing.digest()
    }

    /// Writes it with its digest.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        let mut hashing = Hashing { context: Context::new(&SHA256), out };
        self.write_body(&mut hashing)?;
        let digest = hashing.digest();
        hashing.out.write_all(&digest)?;
        hashing.out.flush()
    }

    fn write_body(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.revision.0.to_be_bytes())?;
        out.write_all(&(self.kvs.len() as u64).to_be_bytes())?;
        for kv in &self.kvs {
            write_text(out, kv.key.as_bytes())?;
            out.write_all(&kv.mod_revision.0.to_be_bytes())?;
            write_text(out, &kv.value)?;
        }
        Ok(())
    }

    /// Reads one and checks its digest.
    ///
    /// # Errors
    /// When it is cut, changed or something else.
    pub fn read(mut input: impl Read) -> Result<Self, DumpError> {
        let mut magic = [0; MAGIC.len()];
        read(&mut input, &mut magic)?;
        if magic != *MAGIC {
            return Err(DumpError::Damaged("it begins with something else"));
        }
        let mut hashed = HashedRead { context: Context::new(&SHA256), input };
        let revision = Revision(number(&mut hashed)?);
        let count = number(&mut hashed)?;
        let mut kvs: Vec<KeyValue> = Vec::new();
        for _ in 0..count {
            let key = text(&mut hashed, KEY_BYTES)?;
            let key = String::from_utf8(key).map_err(|_| DumpError::Damaged("a key is not text"))?;
            let mod_revision = Revision(number(&mut hashed)?);
            let value = text(&mut hashed, VALUE_BYTES)?.into();
            let ordered = kvs.last().is_none_or(|last| *last.key < *key);
            if !ordered || mod_revision > revision || mod_revision <= Revision::FIRST || key.contains('\0') {
                return Err(DumpError::Damaged("a key is out of place"));
            }
            kvs.push(KeyValue { key: key.into(), value, mod_revision });
        }
        let HashedRead { context, mut input } = hashed;
        let mut digest = Digest::default();
        read(&mut input, &mut digest)?;
        if context.finish().as_ref() != digest {
            return Err(DumpError::Damaged("its digest is another"));
        }
        if input.read(&mut [0])? != 0 {
            return Err(DumpError::Damaged("something follows its end"));
        }
        Ok(Self { revision, kvs })
    }
}

fn write_text(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(text)
}

fn read(input: &mut impl Read, into: &mut [u8]) -> Result<(), DumpError> {
    input.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DumpError::Damaged("it is cut short"),
        _ => DumpError::Read(error),
    })
}

fn number(input: &mut impl Read) -> Result<u64, DumpError> {
    let mut bytes = [0; 8];
    read(input, &mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn text(input: &mut impl Read, most: u32) -> Result<Vec<u8>, DumpError> {
    let mut bytes = [0; 4];
    read(input, &mut bytes)?;
    let length = u32::from_be_bytes(bytes);
    if length > most {
        return Err(DumpError::Damaged("a key or value is too long"));
    }
    // Grows as bytes come: a length alone takes no memory.
    let mut text = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut text)?;
    if text.len() as u64 == u64::from(length) { Ok(text) } else { Err(DumpError::Damaged("it is cut short")) }
}

struct Hashing<W> {
    context: Context,
    out: W,
}

impl<W> Hashing<W> {
    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.context.clone().finish().as_ref());
        digest
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.context.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct HashedRead<R> {
    context: Context,
    input: R,
}

impl<R: Read> Read for HashedRead<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.context.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Dump {
        let kv = |key: &str, revision, value: &'static [u8]| KeyValue {
            key: key.into(),
            value: value.into(),
            mod_revision: Revision(revision),
        };
        Dump { revision: Revision(9), kvs: vec![kv("/registry/a", 3, b"1"), kv("/registry/b", 9, b"")] }
    }

    fn bytes() -> Vec<u8> {
        let mut out = Vec::new();
        dump().write(&mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Dump::read(&*bytes()).unwrap(), dump());
        assert_eq!(bytes()[bytes().len() - 32..], dump().digest());
    }

    #[test]
    fn a024_a_cut_or_changed_file_is_refused() {
        let whole = bytes();
        for end in 0..whole.len() {
            assert!(Dump::read(&whole[..end]).is_err(), "cut to {end}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(Dump::read(&*changed).is_err(), "changed at {at}");
        }
        assert!(Dump::read(&*[&whole[..], b"x"].concat()).is_err());
    }
}
