//! The webhook: lists of events, sent to somebody else as they come on record here.
//!
//! ```text
//! log writer -> take(event, line) -> Buffer (so many events, so many bytes; what has no room is counted)
//! Sender     -> batches by size or age -> a throttle -> up to 8 calls at once, each tried again
//! chain      <- how many events were not sent, in the next record that is sealed
//! ```
//!
//! It hears of an event from the log's writer, which has serialised it already, so that a request pays
//! nothing for it, and so that what is recovered after a crash is sent as well.

mod buffer;
mod sender;
mod throttle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use portcullis_outbound::Client;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::event::Event;
use crate::log::truncated;
use crate::sink::Done;
use buffer::{Buffer, Item};
pub use throttle::Throttle;

/// What every line begins with and no item of a list does.
const HEAD: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#;

/// Where lists of events are sent, and how.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Calls the webhook.
    pub client: Client,
    /// How many events may wait.
    pub buffer: usize,
    /// How many events a list has at most.
    pub batch: usize,
    /// How long an event waits for others.
    pub wait: Duration,
    /// How many lists are sent in a time.
    pub throttle: Option<Throttle>,
    /// How long it is waited before a list is sent again that was not taken.
    pub first_pause: Duration,
    /// The size in bytes beyond which an event loses its bodies, and is left out if that is not enough.
    pub largest_event: Option<usize>,
    /// How many bytes of events a list has at most; an event that is larger goes alone.
    pub largest_batch: usize,
    /// Whether a request whose event is required waits for the webhook too.
    pub sure: bool,
}

impl WebhookConfig {
    /// Upstream's defaults.
    pub fn to(client: Client) -> Self {
        Self {
            client,
            buffer: 10_000,
            batch: 400,
            wait: Duration::from_secs(30),
            throttle: Some(Throttle::UPSTREAM),
            first_pause: Duration::from_secs(10),
            largest_event: None,
            largest_batch: 10 << 20,
            sure: false,
        }
    }
}

/// A webhook that is being sent to.
pub struct Webhook {
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
    /// Dropped, it cuts the sender off.
    stop: oneshot::Sender<()>,
}

/// What the log's writer and the sender share.
struct Shared {
    config: WebhookConfig,
    buffer: Buffer,
    /// There is something to send, or nothing more will come.
    changed: Notify,
    /// Events that were not sent: in all, and since the chain last said so.
    lost: AtomicU64,
    unsaid: AtomicU64,
}

impl Webhook {
    /// Begins to send; must be called within a Tokio runtime.
    pub fn start(config: WebhookConfig) -> Self {
        let shared = Arc::new(Shared {
            buffer: Buffer::new(config.buffer),
            config,
            changed: Notify::new(),
            lost: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let sender = tokio::spawn(sender::run(shared.clone(), stopped));
        Self { shared, sender, stop }
    }

    /// How many events could not be sent.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// The end of it that the log's writer holds.
    pub fn intake(&self) -> Intake {
        Intake(self.shared.clone())
    }

    /// Takes no more, and sends what waits until the time is up; what is left then is counted.
    pub async fn close(self, limit: Duration) {
        let Self { shared, mut sender, stop } = self;
        shared.buffer.close();
        shared.changed.notify_one();
        if tokio::time::timeout(limit, &mut sender).await.is_err() {
            drop(stop);
            sender.await.ok();
        }
        shared.lose(shared.buffer.clear());
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("client", &self.shared.config.client).finish_non_exhaustive()
    }
}

/// Takes what is to be sent, and never waits.
#[derive(Clone)]
pub struct Intake(Arc<Shared>);

impl Intake {
    /// Whether requests that wait for their event wait for the webhook too.
    pub(crate) fn is_sure(&self) -> bool {
        self.0.config.sure
    }

    /// Takes an event that is serialised already.
    pub(crate) fn take(&self, event: &Event, line: &[u8], done: Option<Arc<Done>>) {
        let Some(limit) = self.0.config.largest_event.filter(|limit| line.len() > *limit) else {
            return self.take_line(line, done);
        };
        let line = truncated(event.clone()).to_json();
        if line.len() > limit {
            warn!(audit.id = %event.opening.audit_id, "Audit event is too large for the webhook even without bodies");
            return self.0.lose(1);
        }
        self.take_line(&line, done);
    }

    /// Takes a line as it is.
    pub(crate) fn take_line(&self, line: &[u8], done: Option<Arc<Done>>) {
        let item = match line.strip_prefix(HEAD) {
            Some(rest) => [b"{", rest].concat(),
            None => line.to_vec(),
        };
        let urgent = done.is_some() || self.0.config.wait.is_zero();
        match self.0.buffer.push(Item { json: Bytes::from(item), done }, urgent) {
            Ok(waiting) if urgent || waiting == 1 || waiting >= self.0.config.batch => {
                self.0.changed.notify_one()
            }
            Ok(_) => {}
            Err(_refused) => self.0.lose(1),
        }
    }

    /// How many events were not sent since this was last asked.
    pub(crate) fn take_unsaid(&self) -> u64 {
        self.0.unsaid.swap(0, Ordering::Relaxed)
    }

    /// Gives back what could not be said.
    pub(crate) fn untake(&self, unsaid: u64) {
        self.0.unsaid.fetch_add(unsaid, Ordering::Relaxed);
    }
}

impl Shared {
    fn lose(&self, count: usize) {
        if count == 0 {
            return;
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.lost.fetch_add(count, Ordering::Relaxed);
        self.unsaid.fetch_add(count, Ordering::Relaxed);
        crate::metrics::webhook_lost(count);
    }
}

#[cfg(test)]
mod tests;
