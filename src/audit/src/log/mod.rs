//! The audit log: JSON lines in a file that is rotated as upstream's, each batch sealed into the chain.
//!
//! ```text
//! request -> Queue -> writer thread: lines -> file -> seal -> (within a second) sync -> tickets settled
//!                                    \-> the webhook
//! drainer  -> what the store's outbox holds and no event spoke for
//! ```

mod drain;
mod legacy;
mod rotate;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use rotate::Rotation;

use crate::chain::Signer;
use crate::event::Event;
use crate::outbox::{Ledger, Ticket};
use crate::queue::Queue;
use crate::sink::{Done, Lost, Receipt, Sink};
use crate::webhook::Intake;
use writer::Writer;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON event a line.
    #[default]
    Json,
    /// Upstream's one-line text.
    Legacy,
}

/// Where, how, and how much.
pub struct LogConfig {
    /// The file; `-` is standard output, which is neither rotated nor chained.
    pub path: PathBuf,
    /// When a file is put aside, and how long it is kept.
    pub rotation: Rotation,
    /// How a line is written.
    pub format: Format,
    /// The size in bytes beyond which an event loses its bodies, and is left out if that is not enough.
    pub truncate: Option<usize>,
    /// How many events may wait for the writer.
    pub queue: usize,
    /// What signs the chain.
    pub signer: Option<Signer>,
    /// Who else is told of each event.
    pub webhook: Option<Intake>,
}

impl LogConfig {
    /// Upstream's rotation, JSON, no chain.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            rotation: Rotation::default(),
            format: Format::Json,
            truncate: None,
            queue: 16 * 1024,
            signer: None,
            webhook: None,
        }
    }
}

/// What the writer takes.
enum Entry {
    Event(Event),
    /// An event whose request waits for it.
    Sure(Event, Arc<Done>),
    /// Lines from the outbox.
    Recovered(Vec<Bytes>, oneshot::Sender<()>),
}

/// The sink that writes the log.
pub struct AuditLog {
    path: PathBuf,
    queue: Arc<Queue<Entry>>,
    lost: Arc<Losses>,
    ledger: Arc<Ledger>,
    /// How many must keep an event that a request waits for.
    keepers: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How many events were lost: in all, and since the chain last said so.
#[derive(Debug, Default)]
struct Losses {
    all: AtomicU64,
    unsaid: AtomicU64,
}

impl Losses {
    fn add(&self, count: u64) {
        self.all.fetch_add(count, Ordering::Relaxed);
        self.unsaid.fetch_add(count, Ordering::Relaxed);
        if count > 0 {
            crate::metrics::log_lost(count);
        }
    }
}

impl AuditLog {
    /// Opens the log, takes up its chain, and starts its writer.
    pub fn open(config: LogConfig) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(config.queue));
        let lost = Arc::new(Losses::default());
        let path = config.path.clone();
        let keepers = 1 + usize::from(config.webhook.as_ref().is_some_and(Intake::is_sure));
        let mut writer = Writer::open(config, lost.clone())?;
        let thread = {
            let queue = queue.clone();
            std::thread::Builder::new().name("audit-log".into()).spawn(move || writer.run(&queue))?
        };
        let ledger = Arc::default();
        Ok(Self { path, queue, lost, ledger, keepers, writer: Mutex::new(Some(thread)) })
    }

    /// Waits until all that was recorded before is written and synced, or the time is up.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.drained(limit)
    }

    /// How many events could not be kept.
    pub fn lost(&self) -> u64 {
        self.lost.all.load(Ordering::Relaxed)
    }

    fn push(&self, entry: Entry, urgent: bool) -> Result<(), Lost> {
        self.queue.push(entry, urgent).map_err(|refused| {
            // What has a ticket is still in the store's outbox: not lost, but late.
            if !matches!(&refused, Entry::Event(event) if event.ticket.is_some()) {
                self.lost.add(1);
            }
            Lost
        })
    }
}

impl Sink for AuditLog {
    fn record(&self, event: Event) -> Result<(), Lost> {
        self.push(Entry::Event(event), false)
    }

    fn record_surely(&self, event: Event) -> Result<Receipt, Lost> {
        let (tell, receipt) = Receipt::pending();
        self.push(Entry::Sure(event, Done::of(self.keepers, tell)), true).map(|()| receipt)
    }

    fn ticket(&self) -> Option<Ticket> {
        Some(self.ledger.ticket())
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

pub(crate) use rotate::{backups, chain_of, open_private};
pub(crate) use writer::truncated;

#[cfg(test)]
mod tests;
