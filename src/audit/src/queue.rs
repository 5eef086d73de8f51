//! A bounded queue between request paths and the writer thread.
//!
//! A push is a lock and a move. The writer is woken only when it sleeps, and after each wake it lets
//! items gather for a moment, so that load does not turn into a system call per event. Who waits for
//! an item to be dealt with pushes it urgently, which ends the gathering.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long the writer lets items gather once there is one.
const GATHER: Duration = Duration::from_millis(20);

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
    limit: usize,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
    asleep: bool,
    urgent: bool,
    /// How many items the reader has fully dealt with, and how many were ever pushed.
    done: u64,
    pushed: u64,
}

/// What the reader finds.
pub(crate) enum Taken<T> {
    Items(Vec<T>),
    /// Nothing came in time.
    Nothing,
    /// The queue is closed and drained.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let state =
            State { items: Vec::new(), closed: false, asleep: false, urgent: false, done: 0, pushed: 0 };
        Self { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new(), limit }
    }

    /// Adds an item, or gives it back when the queue is full or closed.
    pub(crate) fn push(&self, item: T, urgent: bool) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed || state.items.len() >= self.limit {
            return Err(item);
        }
        state.items.push(item);
        state.pushed = state.pushed.saturating_add(1);
        state.urgent |= urgent;
        if state.asleep || urgent {
            state.asleep = false;
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits at most `patience` for items and takes them all.
    pub(crate) fn take(&self, patience: Duration) -> Taken<T> {
        let mut state = self.state.lock();
        let deadline = Instant::now() + patience;
        while state.items.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            state.asleep = true;
            if self.filled.wait_until(&mut state, deadline).timed_out() && state.items.is_empty() {
                state.asleep = false;
                return Taken::Nothing;
            }
        }
        state.asleep = false;
        let gathered = Instant::now() + GATHER;
        while !state.closed && !state.urgent && state.items.len() < self.limit / 2 {
            if self.filled.wait_until(&mut state, gathered).timed_out() {
                break;
            }
        }
        state.urgent = false;
        Taken::Items(std::mem::take(&mut state.items))
    }

    /// Notes that the reader has dealt with items it took.
    pub(crate) fn finished(&self, count: usize) {
        let mut state = self.state.lock();
        state.done = state.done.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.emptied.notify_all();
    }

    /// Waits until all that was pushed before is dealt with, or the time is up.
    pub(crate) fn drained(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        state.urgent |= !state.items.is_empty();
        self.filled.notify_one();
        let target = state.pushed;
        let deadline = Instant::now() + limit;
        while state.done < target {
            if self.emptied.wait_until(&mut state, deadline).timed_out() {
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
