//! The lines of a log and its backups, compressed or not, oldest first.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::log::backups;

/// A longer line is no event of ours: bodies are bounded well below.
const MAX_LINE: u64 = 64 << 20;

/// The backups of a log that are there, oldest first, then the log itself.
pub fn files(log: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = backups(log)?.into_iter().map(|(_, path)| path).collect();
    if log.exists() {
        files.push(log.to_owned());
    }
    Ok(files)
}

/// Opens a log or backup.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = File::open(path)?;
    Ok(match path.extension() {
        Some(ending) if ending == "gz" => Box::new(BufReader::new(GzDecoder::new(file))),
        _ => Box::new(BufReader::with_capacity(1 << 16, file)),
    })
}

/// Lines without their ends. The last one may lack its end: it is being written, or was torn.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of a reader.
    pub fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next line, and whether it is whole.
    ///
    /// # Errors
    /// Where reading fails, or a line is longer than any event.
    pub fn next_line(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        self.line.clear();
        let read = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Some((line, true))),
            None if u64::try_from(read).unwrap_or(u64::MAX) >= MAX_LINE => {
                Err(io::Error::other("a line is longer than any event"))
            }
            None => Ok(Some((&self.line, false))),
        }
    }
}
