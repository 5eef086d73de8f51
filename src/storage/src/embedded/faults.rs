//! A file that fails on demand.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// How a disk misbehaves: it takes a number of further writes, or has no room beyond what a file has.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    writes: Arc<AtomicU64>,
    /// How far the file reaches on the disk.
    written: Arc<AtomicU64>,
    full: Arc<AtomicBool>,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self { writes: Arc::new(AtomicU64::new(u64::MAX)), written: Arc::default(), full: Arc::default() }
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
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(FaultyFile { file: FileBackend::new(file)?, faults: self.clone() })
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
    file: FileBackend,
    faults: Faults,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> Result<u64, Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.faults.take(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), Error> {
        self.file.close()
    }
}
