//! Making a dump as its store is read.

use std::io;

use aws_lc_rs::digest::{Context, SHA256};

use super::{Digest, DumpError, MAGIC, Pages, Summary};
use crate::{KeyValue, Revision, Store, StoreError};

/// A dump of a store as it is now, piece by piece.
pub struct Saving<'s> {
    pages: Pages<'s>,
    encoder: Option<Encoder>,
    shown: u64,
    summary: Option<Summary>,
}

impl<'s> Saving<'s> {
    /// Begins one. Give the engine itself, without a codec.
    pub fn of(store: &'s dyn Store) -> Self {
        Self { pages: Pages::at_once(store), encoder: None, shown: 0, summary: None }
    }

    /// The next piece; `None` when there was the last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, DumpError> {
        if self.summary.is_some() {
            return Ok(None);
        }
        let page = self.pages.next().await?;
        let mut out = Vec::new();
        let (revision, keys) = (self.pages.revision(), self.pages.keys() as u64);
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => {
                out.extend_from_slice(MAGIC);
                Encoder::begin(revision, keys, &mut out)
            }
        };
        for kv in &page {
            encoder.add(kv, &mut out)?;
        }
        self.shown += page.len() as u64;
        if page.is_empty() {
            if self.shown != keys {
                let reason = format!("it said that it holds {keys} keys and showed {}", self.shown);
                return Err(StoreError::Corrupt { place: "its keys".to_owned(), reason }.into());
            }
            let digest = encoder.finish();
            out.extend_from_slice(&digest);
            self.summary = Some(Summary { revision, keys, digest });
        } else {
            self.encoder = Some(encoder);
        }
        Ok(Some(out))
    }

    /// What it is of, once it is complete.
    pub fn summary(&self) -> Option<Summary> {
        self.summary
    }
}

impl std::fmt::Debug for Saving<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saving").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// What a dump of a store, as it is now, would be.
///
/// # Errors
/// When the store cannot be read.
pub async fn summary(store: &dyn Store) -> Result<Summary, StoreError> {
    let mut saving = Saving::of(store);
    let odd = |why: String| StoreError::Corrupt { place: "its keys".to_owned(), reason: why };
    loop {
        match saving.next().await {
            Ok(Some(_)) => {}
            Ok(None) => return saving.summary().ok_or_else(|| odd("they do not end".to_owned())),
            Err(DumpError::Store(error)) => return Err(error),
            // A key of more than 4 GiB, say.
            Err(other) => return Err(odd(other.to_string())),
        }
    }
}

/// Makes the bytes of a dump.
struct Encoder(Context);

impl Encoder {
    fn begin(revision: Revision, keys: u64, out: &mut Vec<u8>) -> Self {
        let mut encoder = Self(Context::new(&SHA256));
        encoder.put(&revision.0.to_be_bytes(), out);
        encoder.put(&keys.to_be_bytes(), out);
        encoder
    }

    fn add(&mut self, kv: &KeyValue, out: &mut Vec<u8>) -> io::Result<()> {
        self.text(kv.key.as_bytes(), out)?;
        self.put(&kv.mod_revision.0.to_be_bytes(), out);
        self.text(&kv.value, out)
    }

    fn finish(self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.put(&length.to_be_bytes(), out);
        self.put(text, out);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.0.update(bytes);
        out.extend_from_slice(bytes);
    }
}
