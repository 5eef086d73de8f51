//! Where events go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::event::Event;
use crate::outbox::Ticket;

/// How long a request waits for its required event to be on record.
const PATIENCE: Duration = Duration::from_secs(5);

/// The event could not be kept; it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// Takes events: an implementation that answers `Ok` has taken responsibility for the event. It must not
/// block the request.
pub trait Sink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: Event) -> Result<(), Lost>;

    /// Takes one event and says when it is on record.
    fn record_surely(&self, event: Event) -> Result<Receipt, Lost> {
        self.record(event).map(|()| Receipt(None))
    }

    /// A ticket for what the store keeps in its outbox; `None` where nobody reads the outbox.
    fn ticket(&self) -> Option<Ticket> {
        None
    }
}

/// The promise that an event will be on record.
#[derive(Debug)]
pub struct Receipt(Option<oneshot::Receiver<()>>);

impl Receipt {
    pub(crate) fn pending() -> (oneshot::Sender<()>, Self) {
        let (done, waiting) = oneshot::channel();
        (done, Self(Some(waiting)))
    }

    /// Waits until the event is on record.
    pub async fn wait(self) -> Result<(), Lost> {
        let Some(waiting) = self.0 else { return Ok(()) };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Lost),
        }
    }
}

/// The other end of a [`Receipt`]: told when all who must keep the event do. When it is dropped before,
/// the receipt fails.
pub(crate) struct Done {
    left: AtomicUsize,
    tell: Mutex<Option<oneshot::Sender<()>>>,
}

impl Done {
    /// So many must keep the event.
    pub(crate) fn of(parts: usize, tell: oneshot::Sender<()>) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(parts), tell: Mutex::new(Some(tell)) })
    }

    /// One of them does.
    pub(crate) fn part(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(tell) = self.tell.lock().take()
        {
            // Who no longer waits does not mind.
            tell.send(()).unwrap_or_default();
        }
    }
}

/// Keeps nothing: for slots outside of requests, and where the operator switched audit off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl Sink for Discard {
    fn record(&self, _event: Event) -> Result<(), Lost> {
        Ok(())
    }
}

/// Keeps the newest events in memory, for tests and for looking at a server that has no log.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Event>>);

impl Memory {
    const LIMIT: usize = 4096;

    /// Takes out what was recorded so far.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Sink for Memory {
    fn record(&self, event: Event) -> Result<(), Lost> {
        let mut events = self.0.lock();
        if events.len() >= Self::LIMIT {
            return Err(Lost);
        }
        events.push(event);
        Ok(())
    }
}

/// One sink that answers for the events, and others that are told as well.
pub struct Fan {
    main: Arc<dyn Sink>,
    others: Vec<Arc<dyn Sink>>,
}

impl Fan {
    /// `main` keeps; `others` hear.
    pub fn new(main: Arc<dyn Sink>, others: Vec<Arc<dyn Sink>>) -> Self {
        Self { main, others }
    }

    fn tell_others(&self, event: &Event) {
        for other in &self.others {
            // Each counts its own losses.
            other.record(Event { ticket: None, ..event.clone() }).ok();
        }
    }
}

impl Sink for Fan {
    fn record(&self, event: Event) -> Result<(), Lost> {
        self.tell_others(&event);
        self.main.record(event)
    }

    fn record_surely(&self, event: Event) -> Result<Receipt, Lost> {
        self.tell_others(&event);
        self.main.record_surely(event)
    }

    fn ticket(&self) -> Option<Ticket> {
        self.main.ticket()
    }
}
