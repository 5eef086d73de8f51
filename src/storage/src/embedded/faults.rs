//! A file that fails on demand.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::disk::Disk;

/// How a disk misbehaves: it takes a number of further writes, or has no room beyond what a file has.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    writes: Arc<AtomicU64>,
    /// How far the file reaches on the disk.
    written: Arc<AtomicU64>,
    full: Arc<AtomicBool>,
    /// Where the file lies instead of in its folder.
    disk: Option<Disk>,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self {
            writes: Arc::new(AtomicU64::new(u64::MAX)),
            written: Arc::default(),
            full: Arc::default(),
            disk: None,
        }
    }

    /// The file lies on a disk that loses its power.
    pub(super) fn on(disk: Disk) -> Self {
        Self { disk: Some(disk), ..Self::none() }
    }

    /// Only this many further writes succeed.
    pub(super) fn allow_writes(&self, count: u64) {
        self.writes.store(count, Ordering::SeqCst);
    }

    /// The disk has no room for new blocks; blocks that the file has can be written.
    pub(super) fn fill_disk(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    pub(super) fn backend(&self, path: &Path) -> Result<FaultyFile, redb::DatabaseError> {
        if let Some(disk) = &self.disk {
            return Ok(FaultyFile { file: File::Disk(disk.clone()), faults: self.clone() });
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(FaultyFile { file: File::Real(FileBackend::new(file)?), faults: self.clone() })
    }

    fn take(&self, end: u64) -> Result<(), Error> {
        if self.full.load(Ordering::SeqCst) && end > self.written.load(Ordering::SeqCst) {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        self.written.fetch_max(end, Ordering::SeqCst);
        let left = self.writes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            u64::MAX => Some(left),
            _ => left.checked_sub(1),
        });
        left.map(|_| ()).map_err(|_| Error::from(ErrorKind::StorageFull))
    }
}

#[derive(Debug)]
pub(super) struct FaultyFile {
    file: File,
    faults: Faults,
}

#[derive(Debug)]
enum File {
    Real(FileBackend),
    Disk(Disk),
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> Result<u64, Error> {
        match &self.file {
            File::Real(file) => file.len(),
            File::Disk(disk) => Ok(disk.len()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        match &self.file {
            File::Real(file) => file.read(offset, out),
            File::Disk(disk) => disk.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        match &self.file {
            File::Real(file) => file.set_len(len),
            File::Disk(disk) => disk.set_len(len),
        }
    }

    fn sync_data(&self) -> Result<(), Error> {
        match &self.file {
            File::Real(file) => file.sync_data(),
            File::Disk(disk) => disk.sync(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.faults.take(offset + data.len() as u64)?;
        match &self.file {
            File::Real(file) => file.write(offset, data),
            File::Disk(disk) => disk.write(offset, data),
        }
    }

    fn close(&self) -> Result<(), Error> {
        match &self.file {
            File::Real(file) => file.close(),
            File::Disk(_) => Ok(()),
        }
    }
}
