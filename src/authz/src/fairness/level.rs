//! One priority level: so many requests at once, and fair queues for those that must wait.
//!
//! While nobody waits, a request costs two atomic operations. When all seats are taken it joins the
//! queue of its flow; freed seats go round the flows, so that one user's flood delays only that user.
//! Queues are bounded: what does not fit is refused at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The longest wait for a seat.
const PATIENCE: Duration = Duration::from_secs(15);

/// Limits of one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limits {
    pub(super) seats: usize,
    /// Waiting requests in one flow; 0 refuses instead of queueing.
    pub(super) queue: usize,
    /// Waiting requests in all flows.
    pub(super) waiting: usize,
}

pub(super) struct Level {
    limits: Limits,
    taken: AtomicUsize,
    /// Changes under the lock of the queues only.
    waiting: AtomicUsize,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    flows: HashMap<u64, VecDeque<oneshot::Sender<Seat>>>,
    /// The flows that have somebody waiting, in the order of their turn.
    turns: VecDeque<u64>,
}

/// A place among the requests being served; given back when dropped.
pub(super) struct Seat(Option<Arc<Level>>);

impl Level {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let (taken, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { limits, taken, waiting, queues: Mutex::default() })
    }

    /// How many are served at once.
    pub(super) fn seats(&self) -> usize {
        self.limits.seats
    }

    /// A seat at once, if one is free and nobody waits.
    pub(super) fn try_sit(self: &Arc<Self>) -> Option<Seat> {
        (self.waiting.load(SeqCst) == 0 && self.take()).then(|| Seat(Some(Arc::clone(self))))
    }

    /// A seat when it is this flow's turn; `None` where the queue is full or the wait too long.
    pub(super) async fn sit(self: &Arc<Self>, flow: u64) -> Option<Seat> {
        let turn = self.join(flow)?;
        tokio::time::timeout(PATIENCE, turn).await.ok()?.ok()
    }

    fn join(self: &Arc<Self>, flow: u64) -> Option<oneshot::Receiver<Seat>> {
        let mut queues = self.queues.lock();
        if !self.has_room(&mut queues, flow) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        queues.push(flow, sender);
        self.waiting.fetch_add(1, SeqCst);
        // A seat may have been freed before anybody was seen waiting.
        self.seat_waiting(&mut queues);
        Some(receiver)
    }

    /// Whether another may wait. Those who have gone away make room in their own flow.
    fn has_room(&self, queues: &mut Queues, flow: u64) -> bool {
        if queues.len(flow) >= self.limits.queue {
            self.waiting.fetch_sub(queues.forget_gone(flow), SeqCst);
        }
        queues.len(flow) < self.limits.queue && self.waiting.load(SeqCst) < self.limits.waiting
    }

    fn seat_waiting(self: &Arc<Self>, queues: &mut Queues) {
        while self.waiting.load(SeqCst) > 0 && self.take() {
            let Some(waiter) = queues.next() else {
                self.taken.fetch_sub(1, SeqCst);
                return;
            };
            self.waiting.fetch_sub(1, SeqCst);
            if let Err(mut unwanted) = waiter.send(Seat(Some(Arc::clone(self)))) {
                // Given back here: dropping it would ask for the lock that is held.
                unwanted.0 = None;
                self.taken.fetch_sub(1, SeqCst);
            }
        }
    }

    fn take(&self) -> bool {
        let free = |taken| (taken < self.limits.seats).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, free).is_ok()
    }

    fn give_back(self: &Arc<Self>) {
        self.taken.fetch_sub(1, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.seat_waiting(&mut self.queues.lock());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(level) = self.0.take() {
            level.give_back();
        }
    }
}

impl Queues {
    fn len(&self, flow: u64) -> usize {
        self.flows.get(&flow).map_or(0, VecDeque::len)
    }

    fn push(&mut self, flow: u64, waiter: oneshot::Sender<Seat>) {
        let queue = self.flows.entry(flow).or_insert_with(|| {
            self.turns.push_back(flow);
            VecDeque::new()
        });
        queue.push_back(waiter);
    }

    /// The first of the flow whose turn it is; the flow goes to the end.
    fn next(&mut self) -> Option<oneshot::Sender<Seat>> {
        let flow = self.turns.pop_front()?;
        let queue = self.flows.get_mut(&flow)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.flows.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        waiter
    }

    /// Drops waiters that nobody waits for any more; how many.
    fn forget_gone(&mut self, flow: u64) -> usize {
        let Some(queue) = self.flows.get_mut(&flow) else { return 0 };
        let before = queue.len();
        queue.retain(|waiter| !waiter.is_closed());
        let gone = before - queue.len();
        if queue.is_empty() {
            self.flows.remove(&flow);
            self.turns.retain(|turn| *turn != flow);
        }
        gone
    }
}

#[cfg(test)]
mod tests;
