//! Files that may change while the server runs: looked at every second, read again when they did.
//!
//! What a changed file says is put into use as a whole or, if it is bad, not at all: the log says why,
//! and what was in use before stays.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Failure;

const EVERY: Duration = Duration::from_secs(1);

/// Reads files again when they change.
#[derive(Default)]
pub(crate) struct Reloader(Vec<Watched>);

struct Watched {
    what: &'static str,
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    load: Box<dyn Fn() -> Result<(), Failure> + Send>,
}

/// What tells one content of a file from the next.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Reloader {
    /// Calls `load` whenever one of the files changes. They were read for the first time already.
    pub(crate) fn watch(
        &mut self,
        what: &'static str,
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<(), Failure> + Send + 'static,
    ) {
        let seen = files.iter().map(stamp).collect();
        self.0.push(Watched { what, files, seen, load: Box::new(load) });
    }

    /// Looks until the task is aborted.
    pub(crate) fn run(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.look();
            }
        })
    }

    fn look(&mut self) {
        for watched in &mut self.0 {
            let now: Vec<_> = watched.files.iter().map(stamp).collect();
            if now == watched.seen {
                continue;
            }
            watched.seen = now;
            match (watched.load)() {
                Ok(()) => tracing::info!(what = watched.what, "Read again"),
                Err(failure) => {
                    tracing::error!(what = watched.what, why = %failure, "Cannot be used; what was in use stays");
                }
            }
        }
    }
}

fn stamp(file: &PathBuf) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    Some(Stamp { modified: found.modified().ok(), length: found.len(), inode: found.ino() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_changed_file_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "a").unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        let mut reloader = Reloader::default();
        reloader.watch("x", vec![path.clone()], move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        reloader.look();
        fs::write(&path, "bc").unwrap();
        reloader.look();
        reloader.look();
        fs::remove_file(&path).unwrap();
        reloader.look();
        assert_eq!(reads.load(Ordering::Relaxed), 2);
    }
}
