//! Dumps in files: written beside their name, for their owner alone, and there only once they are whole.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use portcullis_storage::{DumpFile, Saving, Store, Summary};

use super::Failure;

/// A file that is being written; it goes unless it is finished.
pub(super) struct Part {
    path: PathBuf,
    part: PathBuf,
    file: File,
    finished: bool,
}

impl Part {
    /// Begins a file that must not exist.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        if path.exists() {
            return Err(Failure::new(format!("{} exists already", path.display())).fix("name another file"));
        }
        Self::again(path)
    }

    /// Begins a file, in the place of one that may exist.
    pub(super) fn again(path: &Path) -> Result<Self, Failure> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // One that was left is not written into: it might be open to others.
        let _ = std::fs::remove_file(&part);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), part, file, finished: false })
    }

    /// Writes bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Reads the file once, to know that it is whole, and gives it its name.
    pub(super) fn finish(mut self) -> Result<Summary, Failure> {
        self.file.sync_all().map_err(|error| failed(&self.path, &error))?;
        let whole = DumpFile::open(&self.part).map_err(|error| failed(&self.path, &error))?;
        std::fs::rename(&self.part, &self.path).map_err(|error| failed(&self.path, &error))?;
        self.finished = true;
        Ok(*whole.summary())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            // What is left of it is removed by the next one of its name.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Writes a whole store.
pub(super) async fn save(store: &dyn Store, part: &mut Part) -> Result<(), Failure> {
    let mut saving = Saving::of(store);
    while let Some(piece) = saving.next().await.map_err(|error| failed(&part.path, &error))? {
        part.put(&piece).map_err(|error| failed(&part.path, &error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::caused(format!("{} cannot be written", path.display()), error)
}
