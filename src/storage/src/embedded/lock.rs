//! One process per store: a lock file that names its holder.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::files::{io, private};
use crate::StoreError;

/// Holds the lock until dropped. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct StoreLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl StoreLock {
    /// Takes the lock of the store at `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let mut options = OpenOptions::new();
        let open = private(options.read(true).write(true).create(true).truncate(false)).open(lock_path);
        let mut file = open.map_err(io("open its lock file"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(io("take its lock")(error)),
        }
        sign(&mut file).map_err(io("write its lock file"))?;
        Ok(Self(file))
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn in_use(path: &Path, file: &mut File) -> StoreError {
    let mut holder = String::new();
    let read = file.take(32).read_to_string(&mut holder);
    let known = read.is_ok() && !holder.trim().is_empty();
    let holder = if known { holder.trim().to_owned() } else { "unknown".to_owned() };
    StoreError::InUse { path: path.to_owned(), holder }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}
