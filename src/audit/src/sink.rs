//! Where events go.

use parking_lot::Mutex;

use crate::event::Event;

/// The event could not be kept; it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// Takes events. The place where a durable outbox or another backend attaches: an implementation that
/// answers `Ok` has taken responsibility for the event. It must not block the request.
pub trait Sink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: Event) -> Result<(), Lost>;
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
