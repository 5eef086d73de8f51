//! What waits to be sent: bounded in events and in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::sink::Done;

/// How many bytes may wait, whatever the number of events.
const MAX_BYTES: usize = 64 << 20;

/// One event.
pub(super) struct Item {
    pub(super) json: Bytes,
    /// Who waits until it is sent.
    pub(super) done: Option<Arc<Done>>,
}

/// The queue.
pub(super) struct Buffer {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// When the oldest began to wait.
    since: Option<Instant>,
    urgent: bool,
    closed: bool,
}

/// What there is to do.
pub(super) enum Next {
    Send(Vec<Item>),
    /// Nothing, before so long.
    Wait(Option<Duration>),
    End,
}

impl Buffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), limit }
    }

    /// Adds an item and tells how many wait now; gives it back where there is no room.
    pub(super) fn push(&self, item: Item, urgent: bool) -> Result<usize, Item> {
        let mut state = self.state.lock();
        let bytes = state.bytes.saturating_add(item.json.len());
        if state.closed || state.items.len() >= self.limit || (bytes > MAX_BYTES && state.bytes > 0) {
            return Err(item);
        }
        state.bytes = bytes;
        state.since.get_or_insert_with(Instant::now);
        state.urgent |= urgent;
        state.items.push_back(item);
        Ok(state.items.len())
    }

    /// A batch, if one is full, old enough, urgent, or the last.
    pub(super) fn next(&self, most: usize, most_bytes: usize, wait: Duration) -> Next {
        let mut state = self.state.lock();
        let Some(since) = state.since else {
            return if state.closed { Next::End } else { Next::Wait(None) };
        };
        let full = state.items.len() >= most || state.bytes >= most_bytes;
        let left = wait.saturating_sub(since.elapsed());
        if !full && !state.urgent && !state.closed && !left.is_zero() {
            return Next::Wait(Some(left));
        }
        Next::Send(state.take(most, most_bytes))
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Drops what waits, and tells how much that was.
    pub(super) fn clear(&self) -> usize {
        let mut state = self.state.lock();
        state.closed = true;
        (state.bytes, state.since) = (0, None);
        let count = state.items.len();
        state.items.clear();
        count
    }
}

impl State {
    fn take(&mut self, most: usize, most_bytes: usize) -> Vec<Item> {
        let (mut count, mut bytes) = (0, 0usize);
        for item in self.items.iter().take(most) {
            bytes = bytes.saturating_add(item.json.len());
            if count > 0 && bytes > most_bytes {
                bytes -= item.json.len();
                break;
            }
            count += 1;
        }
        let taken = self.items.drain(..count).collect();
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.items.is_empty() {
            (self.since, self.urgent) = (None, false);
        } else {
            // What is left begins to wait anew, as upstream's timer does.
            self.since = Some(Instant::now());
        }
        taken
    }
}
