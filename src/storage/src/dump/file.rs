//! A dump that lies in a file and is known to be whole.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::Path;

use super::decode::{Decoder, entry};
use super::{DumpError, MAGIC, Summary};
use crate::{KeyValue, Revision};

/// A whole dump. In memory is where each key lies: 16 bytes a key.
pub struct DumpFile {
    file: File,
    summary: Summary,
    /// Revisions and places, in the order of revisions.
    places: Vec<(Revision, u64)>,
}

impl DumpFile {
    /// Reads a file once, to know that it is whole.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, DumpError> {
        let file = File::open(path)?;
        let mut decoder = Decoder::open(BufReader::new(&file))?;
        let mut places = Vec::new();
        let mut place = decoder.position();
        while let Some(kv) = decoder.next_key()? {
            places.push((kv.mod_revision, place));
            place = decoder.position();
        }
        places.sort_unstable();
        let summary = decoder.summary().ok_or(DumpError::Damaged("it has no end"))?;
        Ok(Self { file, summary, places })
    }

    /// What it is of.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Its keys in order.
    pub(crate) fn keys(&self) -> Result<Decoder<BufReader<&File>>, DumpError> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Decoder::open(BufReader::new(&self.file))
    }

    /// The revisions that wrote a key that is still there and come after another, each with its keys' places.
    pub(crate) fn revisions(&self, after: Revision) -> impl Iterator<Item = (Revision, &[(Revision, u64)])> {
        let begin = self.places.partition_point(|(revision, _)| *revision <= after);
        let rest = self.places.get(begin..).unwrap_or_default();
        rest.chunk_by(|(one, _), (other, _)| one == other).filter_map(|chunk| Some((chunk.first()?.0, chunk)))
    }

    /// The key at a place.
    pub(crate) fn at(&self, place: u64) -> Result<KeyValue, DumpError> {
        (&self.file).seek(SeekFrom::Start(place.saturating_add(MAGIC.len() as u64)))?;
        entry(&mut BufReader::new(&self.file))
    }
}

impl std::fmt::Debug for DumpFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DumpFile").field("summary", &self.summary).finish_non_exhaustive()
    }
}
