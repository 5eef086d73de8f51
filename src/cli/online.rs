//! A backup from a running server: its data directory has a socket that gives everything at one revision
//! to the user the server runs as, and to nobody else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_storage::{Saving, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tracing::{info, warn};

use super::Failure;
use super::spool::Part;

/// A reader that takes nothing for this long is left alone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Gives backups until the store is closed.
pub(crate) fn serve(store: Arc<dyn Store>, path: PathBuf) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::caused(format!("{} cannot be made", path.display()), &error);
    // The store's lock is ours, so a socket that is there is a dead server's.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let mut progress = store.progress();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    // One at a time, so that backups alone never take much of the disk's time.
                    if let Err(error) = give(&*store, stream).await {
                        warn!(error, "Backup was not taken");
                    }
                }
                closed = progress.changed() => if closed.is_err() { break },
            }
        }
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn give(store: &dyn Store, mut stream: UnixStream) -> Result<(), String> {
    let peer = stream.peer_cred().map_err(|error| error.to_string())?;
    if peer.uid() != nix::unistd::geteuid().as_raw() {
        return Err(format!("user {} asked for it", peer.uid()));
    }
    let mut saving = Saving::of(store);
    while let Some(piece) = saving.next().await.map_err(|error| error.to_string())? {
        let given = tokio::time::timeout(PATIENCE, stream.write_all(&piece)).await;
        given.map_err(|_| "its reader is too slow".to_owned())?.map_err(|error| error.to_string())?;
    }
    let Some(all) = saving.summary() else { return Err("the store does not end".to_owned()) };
    info!(revision = all.revision.0, keys = all.keys, "Backup was taken");
    Ok(())
}

/// Asks a running server; false if none runs.
pub(crate) async fn ask(path: &Path, part: &mut Part) -> Result<bool, Failure> {
    let Ok(mut stream) = UnixStream::connect(path).await else { return Ok(false) };
    let failed = |error: std::io::Error| Failure::caused("the running server gave no backup", &error);
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = stream.read(&mut bytes).await.map_err(failed)?;
        if count == 0 {
            return Ok(true);
        }
        part.put(bytes.get(..count).unwrap_or_default()).map_err(failed)?;
    }
}
