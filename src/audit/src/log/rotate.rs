//! The log's file and its backups, named and kept as upstream's: `audit-2026-01-31T12-00-00.000.log`
//! beside `audit.log`. What belongs to a file (the chain's records) is put aside with it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use tracing::error;

/// The ending of the file that holds the chain's records of a log file.
pub(crate) const CHAIN: &str = ".chain";
const GZIP: &str = ".gz";

/// When a file is put aside, and how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The size at which a file is put aside; 0 is never.
    pub max_bytes: u64,
    /// How many days a backup is kept; 0 is for ever.
    pub max_days: u32,
    /// How many backups are kept; 0 is all.
    pub max_backups: usize,
    /// Whether backups are compressed.
    pub compress: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_bytes: 100 << 20, max_days: 366, max_backups: 100, compress: false }
    }
}

/// A file that is appended to and put aside by size.
pub(super) struct Rotated {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
}

impl Rotated {
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = open_private(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), rotation, file, size })
    }

    /// Whether so many bytes more are too many for this file.
    pub(super) fn is_full(&self, more: usize) -> bool {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.rotation.max_bytes > 0
            && self.size > 0
            && self.size.saturating_add(more) > self.rotation.max_bytes
    }

    /// Appends all or nothing: what was written in part is taken back.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(cause) = self.file.write_all(lines) {
            self.file.set_len(self.size)?;
            return Err(cause);
        }
        self.size = self.size.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Takes back the last bytes that were appended.
    pub(super) fn take_back(&mut self, bytes: usize) -> io::Result<()> {
        let size = self.size.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.file.set_len(size)?;
        self.size = size;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Puts the file and its companion aside and begins anew. Returns the backups that are too many or
    /// too old now, oldest first; removing them is the caller's, who may have to say so before.
    pub(super) fn rotate(&mut self) -> io::Result<Vec<PathBuf>> {
        self.file.sync_data()?;
        let aside = self.unused_name()?;
        std::fs::rename(&self.path, &aside)?;
        rename_if_there(&chain_of(&self.path), &chain_of(&aside))?;
        self.file = open_private(&self.path)?;
        self.size = 0;
        if self.rotation.compress {
            compress_aside(aside);
        }
        self.outdated()
    }

    /// A name that no backup has yet.
    fn unused_name(&self) -> io::Result<PathBuf> {
        let mut at = Timestamp::now();
        loop {
            let name = backup_name(&self.path, at);
            if !name.exists() && !with_ending(&name, GZIP).exists() {
                return Ok(name);
            }
            at = at.saturating_add(SignedDuration::from_millis(1)).map_err(io::Error::other)?;
        }
    }

    fn outdated(&self) -> io::Result<Vec<PathBuf>> {
        let mut backups = backups(&self.path)?;
        let keep = self.rotation.max_backups;
        let too_many = if keep == 0 { 0 } else { backups.len().saturating_sub(keep) };
        let oldest = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(self.rotation.max_days));
        let is_old = |at: &Timestamp| self.rotation.max_days > 0 && *at < oldest;
        let old = backups.iter().take_while(|(at, _)| is_old(at)).count();
        backups.truncate(too_many.max(old));
        Ok(backups.into_iter().map(|(_, path)| path).collect())
    }
}

/// Removes a backup and its companion.
pub(super) fn remove(backup: &Path) -> io::Result<()> {
    std::fs::remove_file(backup)?;
    match std::fs::remove_file(chain_of(backup)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The backups of a log, oldest first.
pub(crate) fn backups(path: &Path) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let candidate = entry?.path();
        if let Some(at) = backup_time(path, &candidate) {
            found.push((at, candidate));
        }
    }
    found.sort();
    Ok(found)
}

/// The file that holds the chain's records of a log file, compressed or not.
pub(crate) fn chain_of(log: &Path) -> PathBuf {
    let plain = log.to_str().and_then(|name| name.strip_suffix(GZIP)).map(PathBuf::from);
    with_ending(plain.as_deref().unwrap_or(log), CHAIN)
}

fn stem_and_ending(path: &Path) -> (String, String) {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let ending = part(path.extension());
    (part(path.file_stem()), if ending.is_empty() { ending } else { format!(".{ending}") })
}

fn backup_name(path: &Path, at: Timestamp) -> PathBuf {
    let (stem, ending) = stem_and_ending(path);
    let time = at.strftime("%Y-%m-%dT%H-%M-%S%.3f");
    path.with_file_name(format!("{stem}-{time}{ending}"))
}

fn backup_time(path: &Path, candidate: &Path) -> Option<Timestamp> {
    let (stem, ending) = stem_and_ending(path);
    let name = candidate.file_name()?.to_str()?;
    let name = name.strip_suffix(GZIP).unwrap_or(name);
    let time = name.strip_prefix(&stem)?.strip_prefix('-')?.strip_suffix(&ending)?;
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%dT%H-%M-%S%.f", time).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Compresses a backup on a thread of its own; the plain file goes when the other is complete.
fn compress_aside(backup: PathBuf) {
    let work = move || {
        if let Err(cause) = compress(&backup) {
            error!(cause = %cause, file = %backup.display(), "Cannot compress an audit log");
        }
    };
    if let Err(cause) = std::thread::Builder::new().name("audit-gzip".into()).spawn(work) {
        error!(cause = %cause, "Cannot compress an audit log");
    }
}

fn compress(backup: &Path) -> io::Result<()> {
    let unfinished = with_ending(backup, ".gz.tmp");
    let mut encoder = GzEncoder::new(open_private(&unfinished)?, Compression::default());
    io::copy(&mut File::open(backup)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    std::fs::rename(&unfinished, with_ending(backup, GZIP))?;
    std::fs::remove_file(backup)
}

/// Opens a file for appending that only its owner can read.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    // A file that was there before keeps its mode on open.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
