//! The audit log: JSON lines in a file that is rotated by size and readable by its owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::error;

use crate::event::Event;
use crate::queue::Queue;
use crate::sink::{Lost, Sink};

/// Where and how much.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The file; rotated ones get `.1`, `.2`, … in order of age.
    pub path: PathBuf,
    /// The size at which a file is rotated.
    pub max_bytes: u64,
    /// How many rotated files are kept.
    pub keep: u32,
    /// How many events may wait for the writer.
    pub queue: usize,
}

impl LogConfig {
    /// 100 MiB a file, ten files, as upstream's usual flags say.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 100 << 20, keep: 10, queue: 16 * 1024 }
    }
}

/// The sink that writes the log.
pub struct AuditLog {
    queue: Arc<Queue<Event>>,
    lost: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the log and starts its writer.
    pub fn open(config: LogConfig) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(config.queue));
        let lost = Arc::new(AtomicU64::new(0));
        let file = Rotated::open(config)?;
        let writer = {
            let (queue, lost) = (queue.clone(), lost.clone());
            std::thread::Builder::new()
                .name("audit-log".into())
                .spawn(move || write_all(&queue, file, &lost))?
        };
        Ok(Self { queue, lost, writer: Mutex::new(Some(writer)) })
    }

    /// How many events were lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was recorded so far is written; `false` if that took too long.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.drained(limit)
    }
}

impl Sink for AuditLog {
    fn record(&self, event: Event) -> Result<(), Lost> {
        self.queue.push(event).map_err(|_| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            Lost
        })
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            writer.join().ok();
        }
    }
}

fn write_all(queue: &Queue<Event>, mut file: Rotated, lost: &AtomicU64) {
    let mut lines = Vec::new();
    while let Some(events) = queue.take() {
        for chunk in events.chunks(256) {
            lines.clear();
            for event in chunk {
                lines.extend(event.to_json());
                lines.push(b'\n');
            }
            if let Err(cause) = file.append(&lines) {
                lost.fetch_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
                error!(cause = %cause, events = chunk.len(), "Cannot write audit events");
            }
        }
        queue.finished(events.len());
    }
}

struct Rotated {
    config: LogConfig,
    file: File,
    size: u64,
}

impl Rotated {
    fn open(config: LogConfig) -> io::Result<Self> {
        let file = open_private(&config.path)?;
        let size = file.metadata()?.len();
        Ok(Self { config, file, size })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.size > 0 && self.size.saturating_add(length) > self.config.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.size = self.size.saturating_add(length);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (1..=self.config.keep).rev() {
            let from = if age == 1 { self.config.path.clone() } else { self.aged(age - 1) };
            if from.exists() {
                std::fs::rename(from, self.aged(age))?;
            }
        }
        if self.config.keep == 0 {
            std::fs::remove_file(&self.config.path)?;
        }
        self.file = open_private(&self.config.path)?;
        self.size = 0;
        Ok(())
    }

    fn aged(&self, age: u32) -> PathBuf {
        let mut name = self.config.path.clone().into_os_string();
        name.push(format!(".{age}"));
        name.into()
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // A file that was there before keeps its mode on open.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
