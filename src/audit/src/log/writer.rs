//! The writer thread: batches of entries to lines, file, seal and sync.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, warn};

use super::rotate::{self, Rotated};
use super::{Entry, Format, LogConfig, Losses, legacy};
use crate::chain::{Digest, Sealer, digest};
use crate::event::Event;
use crate::json;
use crate::level::Level;
use crate::outbox::Ticket;
use crate::queue::{Queue, Taken};

/// How long a line may be only the kernel's.
const SYNC: Duration = Duration::from_secs(1);
/// How many bytes are gathered before they are written.
const CHUNK: usize = 1 << 20;

pub(super) struct Writer {
    file: Place,
    chain: Option<Sealer>,
    format: Format,
    truncate: Option<usize>,
    lost: Arc<Losses>,
    /// Lines that are gathered but not written, and their digests.
    lines: Vec<u8>,
    digests: Vec<Digest>,
    events: u64,
    /// What waits for the lines to be written and synced.
    waiting: Waiting,
    /// What waits for the next sync.
    written: Vec<Arc<Ticket>>,
    dirty_since: Option<Instant>,
}

/// Where lines go.
enum Place {
    File(Rotated),
    Stdout,
}

#[derive(Default)]
struct Waiting {
    tickets: Vec<Arc<Ticket>>,
    receipts: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(super) fn open(config: LogConfig, lost: Arc<Losses>) -> io::Result<Self> {
        let LogConfig { path, rotation, format, truncate, signer, .. } = config;
        let (file, chain) = if path.as_os_str() == "-" {
            (Place::Stdout, None)
        } else {
            lost.add(cut_torn_line(&path)?);
            let file = Rotated::open(&path, rotation)?;
            (Place::File(file), signer.map(|signer| Sealer::open(&path, signer)).transpose()?)
        };
        Ok(Self {
            file,
            chain,
            format,
            truncate,
            lost,
            lines: Vec::with_capacity(CHUNK / 4),
            digests: Vec::new(),
            events: 0,
            waiting: Waiting::default(),
            written: Vec::new(),
            dirty_since: None,
        })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(&mut self, queue: &Queue<Entry>) {
        loop {
            let patience = self.dirty_since.map_or(SYNC, |since| SYNC.saturating_sub(since.elapsed()));
            match queue.take(patience) {
                Taken::Items(entries) => {
                    let count = entries.len();
                    self.write(entries);
                    queue.finished(count);
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if self.dirty_since.is_some_and(|since| since.elapsed() >= SYNC) {
                self.sync();
            }
        }
        self.say_losses();
        self.sync();
    }

    fn write(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match entry {
                Entry::Event(event) => self.add(event),
                Entry::Sure(event, done) => {
                    self.add(event);
                    self.waiting.receipts.push(done);
                }
                Entry::Recovered(lines, done) => {
                    lines.iter().for_each(|line| self.add_line(|out| out.extend_from_slice(line)));
                    self.waiting.receipts.push(done);
                }
            }
            if self.lines.len() >= CHUNK {
                self.flush();
            }
        }
        self.flush();
    }

    fn add(&mut self, mut event: Event) {
        let ticket = event.ticket.take();
        let start = self.lines.len();
        let format = self.format;
        self.add_line(|out| line(&event, format, out));
        if let Some(limit) = self.truncate
            && self.lines.len() - start > limit
        {
            self.take_back(start);
            let event = truncated(event);
            self.add_line(|out| line(&event, format, out));
            if self.lines.len() - start > limit {
                self.take_back(start);
                self.lost.add(1);
                warn!(audit.id = %event.opening.audit_id, "Audit event is too large even without bodies");
            }
        }
        self.waiting.tickets.extend(ticket);
    }

    fn add_line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.lines.len();
        write(&mut self.lines);
        if self.chain.is_some() {
            self.digests.push(digest(self.lines.get(start..).unwrap_or_default()));
        }
        self.lines.push(b'\n');
        self.events += 1;
    }

    fn take_back(&mut self, start: usize) {
        self.lines.truncate(start);
        self.digests.pop();
        self.events -= 1;
    }

    /// Writes and seals what is gathered; syncs at once where a request waits for it.
    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        match self.put() {
            Ok(()) => {
                self.dirty_since.get_or_insert_with(Instant::now);
                self.written.extend(waiting.tickets);
                if !waiting.receipts.is_empty() && self.sync() {
                    // Who no longer waits does not mind.
                    waiting.receipts.into_iter().for_each(|done| done.send(()).unwrap_or_default());
                }
            }
            Err(cause) => {
                let kept = u64::try_from(waiting.tickets.len()).unwrap_or(u64::MAX);
                self.lost.add(self.events.saturating_sub(kept));
                error!(cause = %cause, events = self.events, "Cannot write audit events");
            }
        }
        self.lines.clear();
        self.digests.clear();
        self.events = 0;
    }

    fn put(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Place::Stdout => return io::stdout().lock().write_all(&self.lines),
            Place::File(file) => file,
        };
        if file.is_full(self.lines.len()) {
            let outdated = file.rotate()?;
            if let Some(chain) = &mut self.chain {
                chain.rotated(&outdated)?;
            }
            outdated.iter().try_for_each(|backup| rotate::remove(backup))?;
        }
        file.append(&self.lines)?;
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let unsaid = self.lost.unsaid.swap(0, Ordering::Relaxed);
        chain.seal(&self.digests, unsaid).inspect_err(|_| {
            self.lost.unsaid.fetch_add(unsaid, Ordering::Relaxed);
            // Lines that nothing seals are taken back; where even that fails, the next start seals them.
            file.take_back(self.lines.len()).ok();
        })
    }

    /// The last losses have no batch that could say so.
    fn say_losses(&mut self) {
        let unsaid = self.lost.unsaid.swap(0, Ordering::Relaxed);
        if let Some(chain) = self.chain.as_mut().filter(|_| unsaid > 0)
            && let Err(cause) = chain.seal(&[], unsaid)
        {
            error!(cause = %cause, events = unsaid, "Cannot write down how many audit events were lost");
        }
    }

    fn sync(&mut self) -> bool {
        self.dirty_since = None;
        let synced = match &self.file {
            Place::File(file) => file.sync().and_then(|()| self.chain.as_ref().map_or(Ok(()), Sealer::sync)),
            Place::Stdout => Ok(()),
        };
        let tickets = std::mem::take(&mut self.written);
        match synced {
            Ok(()) => tickets.iter().for_each(|ticket| ticket.settle()),
            // The tickets go unsettled: what the store keeps will be written again.
            Err(cause) => {
                error!(cause = %cause, "Cannot sync the audit log");
                return false;
            }
        }
        true
    }
}

fn line(event: &Event, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Json => json::write(event, out),
        Format::Legacy => legacy::write(event, out),
    }
}

/// The event without bodies, as upstream cuts it.
fn truncated(mut event: Event) -> Event {
    if event.level >= Level::Request {
        (event.story.request, event.story.response) = (None, None);
        event.story.annotate("audit.k8s.io/truncated".into(), "true".into());
    }
    event
}

/// A crash may have left a line without its end: it is no event, and counted as lost.
fn cut_torn_line(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::FileExt as _;
    let file = rotate::open_private(path)?;
    let (mut end, mut block) = (file.metadata()?.len(), [0; 4096]);
    let length = end;
    while end > 0 {
        let start = end.saturating_sub(4096);
        let part = block.get_mut(..usize::try_from(end - start).unwrap_or(0)).unwrap_or_default();
        file.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            end = start + u64::try_from(at).unwrap_or(0) + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
        return Ok(1);
    }
    Ok(0)
}
