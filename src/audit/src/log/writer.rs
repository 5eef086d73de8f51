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
use crate::chain::{Digest, Sealer, Unkept, digest};
use crate::event::Event;
use crate::json;
use crate::level::Level;
use crate::outbox::Ticket;
use crate::queue::{Queue, Taken};
use crate::sink::Done;
use crate::webhook::Intake;

/// How long a line may be only the kernel's.
const SYNC: Duration = Duration::from_secs(1);
/// How many bytes are gathered before they are written.
const CHUNK: usize = 1 << 20;

pub(super) struct Writer {
    file: Place,
    chain: Option<Sealer>,
    format: Format,
    truncate: Option<usize>,
    webhook: Option<Intake>,
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
    sure: Vec<Arc<Done>>,
    recovered: Vec<oneshot::Sender<()>>,
}

impl Waiting {
    fn wants_sync(&self) -> bool {
        !self.sure.is_empty() || !self.recovered.is_empty()
    }

    fn tell(self) {
        self.sure.iter().for_each(|done| done.part());
        // Who no longer waits does not mind.
        self.recovered.into_iter().for_each(|done| done.send(()).unwrap_or_default());
    }
}

impl Writer {
    pub(super) fn open(config: LogConfig, lost: Arc<Losses>) -> io::Result<Self> {
        let LogConfig { path, rotation, format, truncate, signer, webhook, .. } = config;
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
            webhook,
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
                Taken::Nothing => self.say_losses(),
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
                Entry::Event(event) => self.add(event, None),
                Entry::Sure(event, done) => {
                    self.add(event, Some(&done));
                    self.waiting.sure.push(done);
                }
                Entry::Recovered(lines, done) => {
                    lines.iter().for_each(|line| self.add_recovered(line));
                    self.waiting.recovered.push(done);
                }
            }
            if self.lines.len() >= CHUNK {
                self.flush();
            }
        }
        self.flush();
    }

    fn add(&mut self, mut event: Event, done: Option<&Arc<Done>>) {
        let ticket = event.ticket.take();
        let start = self.lines.len();
        let format = self.format;
        self.add_line(|out| line(&event, format, out));
        self.forward(&event, start, done);
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

    /// The webhook has its own size for events: it is told before this log's is applied.
    fn forward(&self, event: &Event, start: usize, done: Option<&Arc<Done>>) {
        let Some(webhook) = &self.webhook else { return };
        let done = done.filter(|_| webhook.is_sure()).cloned();
        match self.format {
            Format::Json => {
                let line = self.lines.get(start..).unwrap_or_default();
                webhook.take(event, line.strip_suffix(b"\n").unwrap_or(line), done);
            }
            Format::Legacy => webhook.take(event, &event.to_json(), done),
        }
    }

    fn add_recovered(&mut self, line: &[u8]) {
        self.add_line(|out| out.extend_from_slice(line));
        if let Some(webhook) = &self.webhook {
            webhook.take_line(line, None);
        }
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
        let mut waiting = std::mem::take(&mut self.waiting);
        match self.put() {
            Ok(()) => {
                crate::metrics::recorded(self.events);
                self.dirty_since.get_or_insert_with(Instant::now);
                self.written.append(&mut waiting.tickets);
                if waiting.wants_sync() && self.sync() {
                    waiting.tell();
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
        let losses = take_unsaid(&self.lost, self.webhook.as_ref());
        chain.seal(&self.digests, losses).inspect_err(|_| {
            untake(losses, &self.lost, self.webhook.as_ref());
            // Lines that nothing seals are taken back; where even that fails, the next start seals them.
            file.take_back(self.lines.len()).ok();
        })
    }

    /// Losses that no batch of lines says.
    fn say_losses(&mut self) {
        let losses = take_unsaid(&self.lost, self.webhook.as_ref());
        if let Some(chain) = self.chain.as_mut().filter(|_| losses != Unkept::default()) {
            match chain.seal(&[], losses) {
                Ok(()) => drop(self.dirty_since.get_or_insert_with(Instant::now)),
                Err(cause) => {
                    error!(cause = %cause, "Cannot write down how many audit events were lost");
                    untake(losses, &self.lost, self.webhook.as_ref());
                }
            }
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

/// What the chain has not said yet.
fn take_unsaid(lost: &Losses, webhook: Option<&Intake>) -> Unkept {
    let losses = Unkept {
        lost: lost.unsaid.swap(0, Ordering::Relaxed),
        unsent: webhook.map_or(0, Intake::take_unsaid),
    };
    if losses != Unkept::default() {
        error!(lost = losses.lost, unsent = losses.unsent, "Audit events were lost");
    }
    losses
}

fn untake(losses: Unkept, lost: &Losses, webhook: Option<&Intake>) {
    lost.unsaid.fetch_add(losses.lost, Ordering::Relaxed);
    webhook.iter().for_each(|webhook| webhook.untake(losses.unsent));
}

fn line(event: &Event, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Json => json::write(event, out),
        Format::Legacy => legacy::write(event, out),
    }
}

/// The event without bodies, as upstream cuts it.
pub(crate) fn truncated(mut event: Event) -> Event {
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
