//! The store's file: making, opening, reopening and reading it, and what its failures mean.
//!
//! After a failed write redb refuses everything until the file is opened again, and cannot say
//! whether the failed commit became durable. [`Db`] therefore holds the database in a slot that the
//! writer can refill; the revision found in the reopened file answers the question.
//!
//! redb asserts on some forms of damage. Every call into it runs inside [`guarded`], which turns such
//! a panic into [`StoreError::Corrupt`].

use std::fs::{File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::Options;
use super::tables::{self, Meta};
use crate::StoreError;

/// The open database, replaceable.
pub(super) struct Db {
    options: Options,
    slot: RwLock<Slot>,
}

enum Slot {
    Open(Database),
    /// Opening again failed; why every call fails until it succeeds.
    Failed(StoreError),
    Closed,
}

impl Slot {
    fn take(&mut self) -> Option<Database> {
        match std::mem::replace(self, Self::Closed) {
            Self::Open(database) => Some(database),
            _ => None,
        }
    }

    fn database(&self) -> Result<&Database, StoreError> {
        match self {
            Self::Open(database) => Ok(database),
            Self::Failed(error) => Err(error.clone()),
            Self::Closed => Err(StoreError::Closed),
        }
    }
}

impl Db {
    /// Opens the store's file, making it if there is none.
    pub(super) fn open(options: &Options) -> Result<Self, StoreError> {
        prepare(options)?;
        let db = Self { options: options.clone(), slot: RwLock::new(Slot::Closed) };
        db.reopen()?;
        db.read("read its format", |txn| tables::check_format(txn, &options.path))?;
        Ok(db)
    }

    /// Closes the database and opens it again.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut slot = self.slot.write();
        let closed = slot.take();
        let opened = guarded(&self.options.path, || {
            drop(closed);
            open_file(&self.options, &self.options.path)
        });
        match opened {
            Ok(database) => *slot = Slot::Open(database),
            Err(error) => {
                *slot = Slot::Failed(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether there is a database to work with; false after a [`Self::reopen`] that failed.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.slot.read(), Slot::Open(_))
    }

    /// Closes the database for good.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let closed = self.slot.write().take();
        guarded(&self.options.path, || match closed {
            Some(database) => database.close().map_err(engine("close its file")),
            None => Ok(()),
        })
    }

    /// Runs `read` on a snapshot of what is committed.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let slot = self.slot.read();
        guarded(&self.options.path, || {
            let database = slot.database()?;
            read(&database.begin_read().map_err(engine(doing))?)
        })
    }

    /// Runs `write` in a transaction and commits it durably if it returns true.
    pub(super) fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let slot = self.slot.read();
        guarded(&self.options.path, || {
            let database = slot.database()?;
            let mut txn = database.begin_write().map_err(engine("begin a commit"))?;
            txn.set_quick_repair(true);
            if write(&txn)? {
                txn.commit().map_err(engine("commit"))
            } else {
                txn.abort().map_err(engine("abort a commit"))
            }
        })
    }
}

/// Makes a new store under another name and moves it into place, so that a file under the store's own
/// name is always a store: an empty one is damage, not a new store.
fn prepare(options: &Options) -> Result<(), StoreError> {
    let path = &options.path;
    match std::fs::metadata(path) {
        Ok(found) if found.len() == 0 => {
            let reason = "the file is empty".to_owned();
            return Err(StoreError::Corrupt { place: path.display().to_string(), reason });
        }
        Ok(_) => return restrict(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("look at its file")(error)),
    }
    let fresh = with_suffix(path, ".new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io("remove a half-made file")(error));
        }
        _ => {}
    }
    private(OpenOptions::new().create_new(true).write(true)).open(&fresh).map_err(io("make its file"))?;
    {
        let db = Db {
            options: Options { path: fresh.clone(), ..options.clone() },
            slot: RwLock::new(Slot::Open(open_file(options, &fresh)?)),
        };
        db.write(|txn| tables::create(txn, &Meta::first()).map(|()| true))?;
        db.close()?;
    }
    std::fs::rename(&fresh, path).map_err(io("move its new file into place"))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync its folder"))
}

/// Files that these options make are their owner's alone: the store holds secrets.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Takes a file that was made otherwise away from everybody else.
fn restrict(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(path).map_err(io("look at its file"))?.permissions();
        if found.mode() & 0o077 != 0 {
            let alone = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, alone).map_err(io("make its file private"))?;
        }
    }
    Ok(())
}

fn open_file(options: &Options, path: &Path) -> Result<Database, StoreError> {
    guarded(path, || {
        let mut builder = Database::builder();
        builder.set_cache_size(options.page_cache).set_check_integrity_on_open(options.verify);
        #[cfg(test)]
        if let Some(faults) = &options.faults {
            let backend = faults.backend(path).map_err(engine("open its file"))?;
            return builder.create_with_backend(backend).map_err(|error| open_error(path, error));
        }
        builder.create(path).map_err(|error| open_error(path, error))
    })
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            StoreError::InUse { path: path.to_owned(), holder: "unknown".to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            corrupt(path, error.to_string())
        }
        DatabaseError::Storage(redb::StorageError::Corrupted(reason)) => corrupt(path, reason),
        other => engine("open its file")(other),
    }
}

/// Runs a call into the engine; a panic in there means a damaged file.
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "the engine gave up".to_owned());
        Err(corrupt(path, reason))
    })
}

fn corrupt(path: &Path, reason: String) -> StoreError {
    StoreError::Corrupt { place: path.display().to_string(), reason }
}

/// Words an engine failure.
pub(super) fn engine<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| match error.into() {
        redb::Error::Io(error) => io(doing)(error),
        redb::Error::Corrupted(reason) => StoreError::Corrupt { place: "its file".to_owned(), reason },
        redb::Error::DatabaseClosed => StoreError::Closed,
        other => StoreError::Io { doing, source: Arc::new(other) },
    }
}

/// Words a system failure.
pub(super) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    use std::io::ErrorKind;
    move |error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull(Arc::new(error)),
        _ => StoreError::Io { doing, source: Arc::new(error) },
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
