//! A bounded queue between request paths and the writer thread.
//!
//! A push is a lock and a move. The writer is woken only when it sleeps, and after each wake it lets
//! events gather for a moment, so that load does not turn into a system call per event.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long the writer lets events gather once there is one.
const GATHER: Duration = Duration::from_millis(5);

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limit: usize,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
    asleep: bool,
    /// How many items the reader has fully dealt with, and how many were ever pushed.
    done: u64,
    pushed: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State { items: Vec::new(), closed: false, asleep: false, done: 0, pushed: 0 };
        Self { state: Mutex::new(state), filled: Condvar::new(), limit }
    }

    /// Adds an item, or gives it back when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed || state.items.len() >= self.limit {
            return Err(item);
        }
        state.items.push(item);
        state.pushed = state.pushed.saturating_add(1);
        if state.asleep {
            state.asleep = false;
            self.filled.notify_all();
        }
        Ok(())
    }

    /// Waits for items and takes them all; `None` when the queue is closed and drained.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state.asleep = true;
            self.filled.wait(&mut state);
        }
        state.asleep = false;
        if !state.closed && state.items.len() < self.limit / 2 {
            // Nobody wakes this wait but a close: the writer is not marked asleep.
            self.filled.wait_for(&mut state, GATHER);
        }
        Some(std::mem::take(&mut state.items))
    }

    /// Notes that the reader has dealt with items it took.
    pub(crate) fn finished(&self, count: usize) {
        let mut state = self.state.lock();
        state.done = state.done.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.filled.notify_all();
    }

    /// Waits until all that was pushed before is dealt with, or the time is up.
    pub(crate) fn drained(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        let target = state.pushed;
        let deadline = std::time::Instant::now() + limit;
        while state.done < target {
            if self.filled.wait_until(&mut state, deadline).timed_out() {
                return state.done >= target;
            }
        }
        true
    }

    /// Takes no more items; the reader ends when it has dealt with those it has.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }
}
