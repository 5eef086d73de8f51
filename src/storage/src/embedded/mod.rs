//! The store of a single machine: one redb file, one writer thread.
//!
//! Readers take snapshots of the file and never wait for the writer. Writes queue; see [`writer`] for
//! their way. A second process is refused with the holder's id.

mod batch;
mod compaction;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod faults;
mod files;
mod fill;
mod lock;
mod options;
mod reader;
mod tables;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

pub use options::Options;

use crate::{
    Change, CommitOutcome, History, KeyValue, Observer, OutboxRecord, Range, RangeResult, Revision, Store,
    StoreError, Txn,
};
use files::Db;
use lock::StoreLock;
use tables::Meta;
use writer::{Request, Writer};

/// The embedded store. Dropping it finishes what is queued and closes the file.
pub struct Embedded {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Request>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and the readers share.
struct Shared {
    options: Options,
    db: Db,
    lock: Mutex<Option<StoreLock>>,
    current: AtomicU64,
    oldest: AtomicU64,
    outbox: AtomicU64,
    closed: AtomicBool,
    /// Gone once the store is closed, which ends every wait on it.
    progress: Mutex<Option<watch::Sender<Revision>>>,
    observers: Mutex<Vec<Box<dyn Observer>>>,
}

impl Embedded {
    /// Opens the store at `options.path`, making it if there is none.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let lock = StoreLock::take(&options.path)?;
        let db = Db::open(&options)?;
        let meta = db.read("read its counters", Meta::read)?;
        let (queue, requests) = mpsc::channel(options.queue.max(1));
        let shared = Arc::new(Shared {
            options,
            db,
            lock: Mutex::new(Some(lock)),
            current: AtomicU64::new(meta.revision.0),
            oldest: AtomicU64::new(meta.compacted.0),
            outbox: AtomicU64::new(meta.outbox),
            closed: AtomicBool::new(false),
            progress: Mutex::new(Some(watch::Sender::new(meta.revision))),
            observers: Mutex::new(Vec::new()),
        });
        let writer = Writer::new(shared.clone(), requests, meta);
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let clock = clock.map_err(files::io("start its clock"))?;
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || writer.run(&clock)).map_err(files::io("start its writer"))?;
        Ok(Self { shared, queue, thread: Mutex::new(Some(thread)) })
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(request(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a read that may take long where it blocks no other task.
    async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let task = tokio::task::spawn_blocking(move || shared.db.read(doing, read));
        task.await.map_err(|_| StoreError::Closed)?
    }
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[async_trait]
impl Store for Embedded {
    fn current_revision(&self) -> Revision {
        Revision(self.shared.current.load(Ordering::Acquire))
    }

    async fn fresh(&self) -> Result<Revision, StoreError> {
        // Observers saw every acknowledged write before it was acknowledged.
        if self.shared.is_closed() {
            return Err(StoreError::Closed);
        }
        Ok(self.current_revision())
    }

    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<KeyValue>, StoreError> {
        self.shared.db.read("read a key", |txn| reader::get(txn, key, at))
    }

    async fn range(&self, range: Range) -> Result<RangeResult, StoreError> {
        self.blocking("read a range", move |txn| reader::range(txn, &range)).await
    }

    async fn commit(&self, txn: Txn) -> Result<CommitOutcome, StoreError> {
        txn.check()?;
        self.ask(|reply| Request::Commit(txn, reply)).await
    }

    async fn history(&self, prefix: &str, after: Revision, limit: usize) -> Result<History, StoreError> {
        let prefix = prefix.to_owned();
        self.blocking("read its log", move |txn| reader::history(txn, &prefix, after, limit)).await
    }

    async fn compact(&self, to: Revision) -> Result<(), StoreError> {
        self.ask(|reply| Request::Compact(to, reply)).await
    }

    fn oldest_revision(&self) -> Revision {
        Revision(self.shared.oldest.load(Ordering::Acquire))
    }

    fn progress(&self) -> watch::Receiver<Revision> {
        match &*self.shared.progress.lock() {
            Some(progress) => progress.subscribe(),
            None => watch::Sender::new(self.current_revision()).subscribe(),
        }
    }

    fn observe(&self, observer: Box<dyn Observer>) -> Result<Revision, StoreError> {
        // The publisher holds this lock while it calls observers and moves the revision.
        let mut observers = self.shared.observers.lock();
        if self.shared.is_closed() {
            return Err(StoreError::Closed);
        }
        observers.push(observer);
        Ok(self.current_revision())
    }

    fn newest_outbox(&self) -> u64 {
        self.shared.outbox.load(Ordering::Acquire)
    }

    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxRecord>, StoreError> {
        self.blocking("read its outbox", move |txn| reader::outbox(txn, after, limit)).await
    }

    async fn drain_outbox(&self, sequence: u64) -> Result<(), StoreError> {
        self.queue.send(Request::DrainOutbox(sequence)).await.map_err(|_| StoreError::Closed)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.ask(Request::Close).await
    }
}

impl Shared {
    /// Shows a durable commit to the observers, then to everyone.
    fn publish(&self, changes: &[Change], meta: &Meta) -> Result<(), StoreError> {
        let mut observers = self.observers.lock();
        if !changes.is_empty() {
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for observer in observers.iter_mut() {
                    observer.committed(changes, meta.revision);
                }
            }));
            if told.is_err() {
                // What an observer keeps (an authorization index, say) may now be wrong: fail closed.
                tracing::error!("Store closes: an observer failed");
                self.closed.store(true, Ordering::Release);
                return Err(StoreError::Closed);
            }
        }
        self.outbox.store(meta.outbox, Ordering::Release);
        self.oldest.store(meta.compacted.0, Ordering::Release);
        self.current.store(meta.revision.0, Ordering::Release);
        if let Some(progress) = &*self.progress.lock() {
            progress.send_if_modified(|seen| std::mem::replace(seen, meta.revision) != meta.revision);
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Releases the file and the lock.
    fn shut(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Release);
        let closed = self.db.close();
        self.progress.lock().take();
        self.observers.lock().clear();
        self.lock.lock().take();
        closed
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.queue = closed;
        // An observer, which the writer calls, can be the last to hold the store.
        let here = std::thread::current().id();
        if let Some(thread) = self.thread.lock().take().filter(|thread| thread.thread().id() != here) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
