//! Sends batches, several at once, each until it is taken or given up.

use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut as _, Bytes, BytesMut};
use portcullis_outbound::{Backoff, Request};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tracing::error;

use super::Shared;
use super::buffer::{Item, Next};
use super::throttle::Bucket;

/// How many calls are under way at most; beyond that events wait, and what has no room is counted.
const CALLS: usize = 8;
/// How often a batch is sent at most, as upstream.
const TRIES: u32 = 5;
const LIST: &[u8] = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#;

/// Sends until the buffer is closed and empty and all calls have ended, or until it is told to stop.
pub(super) async fn run(shared: Arc<Shared>, stop: oneshot::Receiver<()>) {
    let mut calls = JoinSet::new();
    tokio::select! {
        () = send_all(&shared, &mut calls) => {}
        _ = stop => {}
    }
    // Batches that are cut off count themselves.
    calls.shutdown().await;
}

async fn send_all(shared: &Arc<Shared>, calls: &mut JoinSet<()>) {
    let slots = Arc::new(Semaphore::new(CALLS));
    let mut bucket = shared.config.throttle.map(Bucket::new);
    while let Some(items) = next(shared).await {
        let batch = Batch { shared: shared.clone(), items };
        if let Some(bucket) = &mut bucket {
            tokio::time::sleep(bucket.take(Instant::now())).await;
        }
        // The semaphore is never closed.
        let slot = slots.clone().acquire_owned().await.ok();
        while calls.try_join_next().is_some() {}
        calls.spawn(async move {
            batch.send().await;
            drop(slot);
        });
    }
    while calls.join_next().await.is_some() {}
}

async fn next(shared: &Shared) -> Option<Vec<Item>> {
    let config = &shared.config;
    loop {
        let changed = shared.changed.notified();
        match shared.buffer.next(config.batch, config.largest_batch, config.wait) {
            Next::Send(items) => return Some(items),
            Next::End => return None,
            Next::Wait(None) => changed.await,
            Next::Wait(Some(left)) => {
                // Either way it is looked again.
                tokio::time::timeout(left, changed).await.ok();
            }
        }
    }
}

/// Events that count as lost when they are dropped before they were sent.
struct Batch {
    shared: Arc<Shared>,
    items: Vec<Item>,
}

impl Batch {
    async fn send(mut self) {
        let config = &self.shared.config;
        let backoff = Backoff { first: config.first_pause, calls: TRIES };
        let request = Request::post(self.list());
        // As upstream: whatever the error, it may pass.
        match config.client.send_while(&request, backoff, |_| true).await {
            Ok(_) => {
                for done in self.items.drain(..).filter_map(|item| item.done) {
                    done.part();
                }
            }
            // The error's words hold no event: of the answer's body they have what upstream's have.
            Err(cause) => error!(cause = %cause, events = self.items.len(), "Audit events cannot be sent"),
        }
    }

    fn list(&self) -> Bytes {
        let size: usize = self.items.iter().map(|item| item.json.len() + 1).sum();
        let mut list = BytesMut::with_capacity(LIST.len() + size + 2);
        list.put_slice(LIST);
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                list.put_u8(b',');
            }
            list.put_slice(&item.json);
        }
        list.put_slice(b"]}");
        list.freeze()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.items.is_empty() {
            self.shared.lose(self.items.len());
        }
    }
}
