//! Files that survive a crash and that only their owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use zeroize::Zeroizing;

use crate::{Error, Result};

/// Mode of files with secrets.
pub(crate) const PRIVATE: u32 = 0o600;
/// Mode of certificates and public keys.
pub(crate) const PUBLIC: u32 = 0o644;

/// Makes a directory, and its parents, that only the owner may enter. An existing one is left as it is.
pub(crate) fn private_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::file("create the directory", path))
}

/// Replaces a file as a whole: a reader, or a crash, sees the old content or the new, never a part.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let temporary = beside(path);
    let written = write_new(&temporary, content, mode).and_then(|()| {
        fs::rename(&temporary, path).map_err(Error::file("replace", path))?;
        sync_directory(path)
    });
    if written.is_err() {
        // The rename did not happen or its directory did not sync; a leftover is only litter.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The content of a public file, if the file exists.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::file("read", path)(cause)),
    }
}

/// The content of a secret file, if the file exists; refused when others can read it too.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let Some(text) = read(path)?.map(Zeroizing::new) else { return Ok(None) };
    let mode = fs::metadata(path).map_err(Error::file("inspect", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    Ok(Some(text))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(Error::file("create", path))?;
    file.write_all(content).map_err(Error::file("write", path))?;
    file.sync_all().map_err(Error::file("sync", path))
}

fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(Error::file("sync the directory", directory))
}

fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.key");
        write(&path, b"secret", PRIVATE).unwrap();
        assert_eq!(read_private(&path).unwrap().unwrap().as_str(), "secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path), Err(Error::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_write_leaves_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, b"1", PUBLIC).unwrap();
        write(&path, b"2", PUBLIC).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), "2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
