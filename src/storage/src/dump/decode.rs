//! Reading a dump, key by key.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

use super::{Digest, DumpError, KEY_BYTES, MAGIC, Summary, VALUE_BYTES};
use crate::{Key, KeyValue, Revision};

/// Reads a dump. What it gave is not to be believed before it said that there is no more: only then its
/// digest is known to be right.
pub struct Decoder<R> {
    input: HashedRead<R>,
    revision: Revision,
    keys: u64,
    left: u64,
    last: Option<Key>,
    digest: Option<Digest>,
}

impl<R: Read> Decoder<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// When it is something else.
    pub fn open(mut input: R) -> Result<Self, DumpError> {
        let mut magic = [0; MAGIC.len()];
        read(&mut input, &mut magic)?;
        if magic != *MAGIC {
            return Err(DumpError::Damaged("it begins with something else"));
        }
        let mut input = HashedRead { context: Context::new(&SHA256), input, read: 0 };
        let revision = Revision(number(&mut input)?);
        let keys = number(&mut input)?;
        Ok(Self { input, revision, keys, left: keys, last: None, digest: None })
    }

    /// The next key; `None` when there is no more and everything is whole.
    ///
    /// # Errors
    /// When it is cut, changed or something else.
    pub fn next_key(&mut self) -> Result<Option<KeyValue>, DumpError> {
        if self.left == 0 {
            return self.finish().map(|()| None);
        }
        self.left -= 1;
        let kv = entry(&mut self.input)?;
        let ordered = self.last.as_ref().is_none_or(|last| **last < *kv.key);
        let dated = kv.mod_revision <= self.revision && kv.mod_revision > Revision::FIRST;
        if !ordered || !dated || kv.key.contains('\0') {
            return Err(DumpError::Damaged("a key is out of place"));
        }
        self.last = Some(kv.key.clone());
        Ok(Some(kv))
    }

    /// What it is of, once everything was read.
    pub fn summary(&self) -> Option<Summary> {
        Some(Summary { revision: self.revision, keys: self.keys, digest: self.digest? })
    }

    /// How many bytes were read after the first ones, which are the same in all files.
    pub(super) fn position(&self) -> u64 {
        self.input.read
    }

    fn finish(&mut self) -> Result<(), DumpError> {
        if self.digest.is_some() {
            return Ok(());
        }
        let mut digest = Digest::default();
        read(&mut self.input.input, &mut digest)?;
        if self.input.context.clone().finish().as_ref() != digest {
            return Err(DumpError::Damaged("its digest is another"));
        }
        if self.input.input.read(&mut [0])? != 0 {
            return Err(DumpError::Damaged("something follows its end"));
        }
        self.digest = Some(digest);
        Ok(())
    }
}

/// Reads one key with what belongs to it.
pub(super) fn entry(input: &mut impl Read) -> Result<KeyValue, DumpError> {
    let key = String::from_utf8(text(input, KEY_BYTES)?);
    let key = key.map_err(|_| DumpError::Damaged("a key is not text"))?.into();
    let mod_revision = Revision(number(input)?);
    Ok(KeyValue { key, mod_revision, value: text(input, VALUE_BYTES)?.into() })
}

fn read(input: &mut impl Read, into: &mut [u8]) -> Result<(), DumpError> {
    input.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DumpError::Damaged("it is cut short"),
        _ => DumpError::File(error),
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

struct HashedRead<R> {
    context: Context,
    input: R,
    read: u64,
}

impl<R: Read> Read for HashedRead<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.context.update(into.get(..count).unwrap_or_default());
        self.read = self.read.saturating_add(count as u64);
        Ok(count)
    }
}

impl<R> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("revision", &self.revision).finish_non_exhaustive()
    }
}
