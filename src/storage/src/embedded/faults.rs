//! A file that fails on demand.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// How many further writes a disk has room for.
#[derive(Clone, Debug)]
pub(super) struct Faults(Arc<AtomicU64>);

impl Faults {
    pub(super) fn none() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    pub(super) fn allow_writes(&self, count: u64) {
        self.0.store(count, Ordering::SeqCst);
    }

    pub(super) fn backend(&self, path: &Path) -> Result<FaultyFile, redb::DatabaseError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(FaultyFile { file: FileBackend::new(file)?, faults: self.clone() })
    }

    fn take(&self) -> Result<(), Error> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
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
        self.faults.take()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), Error> {
        self.file.close()
    }
}
