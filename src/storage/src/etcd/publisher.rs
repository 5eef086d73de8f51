//! Who is told of changes, and the revision up to which everybody was.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Change, KeyValue, Observer, Revision, StoreError};

/// Observers and the store's clock as they have seen it.
pub(super) struct Publisher {
    observers: Mutex<Vec<Box<dyn Observer>>>,
    current: AtomicU64,
    /// The newest revision that changed one of our keys; unset until one was seen, and again when changes are
    /// lost.
    changed: AtomicU64,
    oldest: AtomicU64,
    closed: AtomicBool,
    /// Gone once the store is closed, which ends every wait on it.
    progress: Mutex<Option<watch::Sender<Revision>>>,
}

impl Publisher {
    pub(super) fn new(start: Revision) -> Self {
        Self {
            observers: Mutex::default(),
            current: AtomicU64::new(start.0),
            changed: AtomicU64::new(0),
            oldest: AtomicU64::new(Revision::FIRST.0),
            closed: AtomicBool::new(false),
            progress: Mutex::new(Some(watch::Sender::new(start))),
        }
    }

    pub(super) fn current(&self) -> Revision {
        Revision(self.current.load(Ordering::Acquire))
    }

    pub(super) fn changed(&self) -> Revision {
        Revision(self.changed.load(Ordering::Acquire))
    }

    pub(super) fn oldest(&self) -> Revision {
        Revision(self.oldest.load(Ordering::Acquire))
    }

    /// What is older than this can no longer be read.
    pub(super) fn compacted(&self, oldest: Revision) {
        self.oldest.fetch_max(oldest.0, Ordering::AcqRel);
    }

    pub(super) fn add(&self, observer: Box<dyn Observer>) -> Result<Revision, StoreError> {
        // Held while observers are called and the revision moves.
        let mut observers = self.observers.lock();
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        observers.push(observer);
        Ok(self.current())
    }

    /// Waits for what the observers need before they are shown some values.
    pub(super) async fn prepare<'v>(&self, values: impl Iterator<Item = (&'v str, &'v [u8])> + Clone) {
        let needed: Vec<_> = {
            let observers = self.observers.lock();
            observers.iter().filter_map(|observer| observer.prepare(&mut values.clone())).collect()
        };
        futures::future::join_all(needed).await;
    }

    /// Shows changes to the observers, then moves the revision.
    pub(super) fn publish(&self, changes: &[Change], revision: Revision) -> Result<(), StoreError> {
        // Before the revision moves: whoever sees it moved reads what it changed.
        self.changed.fetch_max(revision.0, Ordering::AcqRel);
        self.tell(revision, |observer| {
            if !changes.is_empty() {
                observer.committed(changes, revision);
            }
        })
    }

    /// Shows the observers everything there is, because changes in between are lost.
    pub(super) fn rebuilt(&self, all: &[KeyValue], revision: Revision) -> Result<(), StoreError> {
        self.changed.store(0, Ordering::Release);
        self.tell(revision, |observer| observer.rebuilt(all, revision))
    }

    /// Nothing of ours changed up to a revision.
    pub(super) fn progressed(&self, revision: Revision) -> Result<(), StoreError> {
        if revision <= self.current() {
            return Ok(());
        }
        self.tell(revision, |_| ())
    }

    fn tell(&self, revision: Revision, tell: impl Fn(&mut dyn Observer)) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        let mut observers = self.observers.lock();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for observer in observers.iter_mut() {
                tell(&mut **observer);
            }
        }));
        if told.is_err() {
            // What an observer keeps (an authorization index, say) may now be wrong: fail closed.
            tracing::error!("Store closes: an observer failed");
            self.close();
        }
        if self.is_closed() {
            observers.clear();
            return Err(StoreError::Closed);
        }
        self.current.fetch_max(revision.0, Ordering::AcqRel);
        if let Some(progress) = &*self.progress.lock() {
            let current = self.current();
            progress.send_if_modified(|seen| std::mem::replace(seen, current) != current);
        }
        Ok(())
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Revision> {
        match &*self.progress.lock() {
            Some(progress) => progress.subscribe(),
            None => watch::Sender::new(self.current()).subscribe(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.progress.lock().take();
        // Whoever is telling them clears them when it is through. It may be who closes: an observer can be the
        // last to hold the store.
        if let Some(mut observers) = self.observers.try_lock() {
            observers.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;

    /// The last to hold its store lets go of it while it is told something.
    struct Closes(Arc<Publisher>);

    impl Observer for Closes {
        fn committed(&mut self, _: &[Change], _: Revision) {
            self.0.close();
        }

        fn rebuilt(&mut self, _: &[KeyValue], _: Revision) {}
    }

    #[test]
    fn an_observer_may_close_what_tells_it() {
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let publisher = Arc::new(Publisher::new(Revision::FIRST));
            publisher.add(Box::new(Closes(publisher.clone()))).unwrap();
            let change = Change { revision: Revision(2), key: "/a".into(), value: None, previous: None };
            let told = publisher.publish(&[change], Revision(2));
            done.send((told.is_err(), publisher.is_closed(), Arc::strong_count(&publisher)))
        });
        let seen = wait.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(seen, (true, true, 1), "refused, closed, and the observer is gone");
    }
}
