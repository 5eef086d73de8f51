//! Following etcd: one watch over everything below the root tells the observers.
//!
//! A stream that breaks is opened again, at another member, from the revision after the last one seen.
//! If etcd has compacted that away, everything is read again and the observers are shown the whole.
//!
//! A revision that changed none of our keys shows in no event. Where somebody waits for one, etcd is
//! asked how far the watch is; versions that answer this wrongly are made to show it by writing a mark.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Core;
use super::cluster::{STATUS, WATCH};
use super::proto::{
    Event, EventKind, StatusRequest, StatusResponse, Watch, WatchCreate, WatchProgress, WatchRequest,
    WatchResponse,
};
use super::version::tells_progress;
use crate::{Change, Range, Revision, StoreError};

/// How long a wait goes on before etcd is asked how far the watch is.
const PATIENCE: Duration = Duration::from_millis(20);
/// The part of a call's time after which a watch that says nothing, though asked, is opened at another member. A
/// connection that is dead is noticed much later.
const QUIET_FOR: u32 = 3;
/// Between attempts to open the watch again, at most.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a member may take to tell its version.
const ASK_WITHIN: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The task that follows etcd.
pub(super) struct Feed {
    core: Arc<Core>,
    cluster_id: u64,
    wanted: watch::Receiver<Revision>,
    marking: Arc<AtomicBool>,
}

/// Why a watch ended.
enum End {
    Closed,
    /// The revision to go on from is gone.
    Compacted,
    Broken(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Compacted { .. } => Self::Compacted,
            other => Self::Broken(other),
        }
    }
}

impl Feed {
    pub(super) fn new(core: Arc<Core>, cluster_id: u64, wanted: watch::Receiver<Revision>) -> Self {
        Self { core, cluster_id, wanted, marking: Arc::default() }
    }

    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.core.publisher.current();
            let place = self.core.cluster.in_use();
            let End::Broken(error) = self.follow().await else { return };
            self.core.cluster.leave(place);
            self.core.cluster.renew();
            if self.core.publisher.current() > before {
                pause = FIRST_PAUSE;
            }
            warn!(error = &error as &dyn std::error::Error, "Watch of etcd broke; it is opened again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Follows until the stream breaks or the store is closed.
    async fn follow(&mut self) -> End {
        loop {
            match self.watch().await {
                Err(End::Compacted) => {}
                Err(end) => return end,
                Ok(never) => match never {},
            }
            if let Err(error) = self.rebuild().await {
                return error.into();
            }
        }
    }

    async fn watch(&mut self) -> Result<std::convert::Infallible, End> {
        let after = self.core.publisher.current();
        let (requests, mut stream, place) = open(&self.core, after).await?;
        let progress = self.tells_progress(place).await;
        // Since when the watch has not said what it was asked for.
        let mut asked: Option<Instant> = None;
        loop {
            tokio::select! {
                message = stream.message() => {
                    asked = None;
                    let message = message.map_err(|status| super::failure::refused("watch", status))?;
                    let message = message.ok_or_else(ended)?;
                    self.take(message, progress).await?;
                }
                () = stuck(&mut self.wanted, &self.core) => {
                    if asked.get_or_insert_with(Instant::now).elapsed() > self.core.timeout / QUIET_FOR {
                        return Err(End::Broken(quiet()));
                    }
                    self.nudge(&requests, progress);
                }
            }
        }
    }

    /// Whether progress can be trusted: the member of this watch and all others that answer must be of a version
    /// that tells it right. The oldest counts, since the watch may go on at any of them.
    async fn tells_progress(&self, place: usize) -> bool {
        let all = (0..self.core.cluster.size()).map(|member| async move {
            let status = self.core.cluster.ask(member, STATUS, StatusRequest {});
            let status: StatusResponse = tokio::time::timeout(ASK_WITHIN, status).await.ok()?.ok()?;
            Some((member, status.version))
        });
        let answered: Vec<(usize, String)> =
            futures::future::join_all(all).await.into_iter().flatten().collect();
        let trusted = answered.iter().all(|(_, version)| tells_progress(version))
            && answered.iter().any(|(member, _)| *member == place);
        debug!(?answered, trusted, "Versions of etcd");
        trusted
    }

    async fn take(&self, message: WatchResponse, progress: bool) -> Result<(), End> {
        let header = message.header.clone().unwrap_or_default();
        if header.cluster_id != self.cluster_id {
            error!("Store closes: another etcd cluster answers than the one it was opened on");
            self.core.publisher.close();
            return Err(End::Closed);
        }
        refuse_cancelled(&message)?;
        let Some(last) = message.events.last().and_then(|event| event.kv.as_ref()) else {
            if progress && !message.created {
                self.core.publisher.progressed(super::revision_of(Some(&header)))?;
            }
            return Ok(());
        };
        let revision = super::number(last.mod_revision);
        let changes = changes(&self.core, message.events.iter(), self.core.publisher.current());
        let values = changes.iter().filter_map(|change| Some((&*change.key, &**change.value.as_ref()?)));
        self.core.publisher.prepare(values).await;
        Ok(self.core.publisher.publish(&changes, revision)?)
    }

    /// Makes the watch show how far it is.
    fn nudge(&self, requests: &mpsc::UnboundedSender<WatchRequest>, progress: bool) {
        if progress {
            let _ = requests.send(WatchRequest { request: Some(Watch::Progress(WatchProgress {})) });
        } else if !self.marking.swap(true, Ordering::AcqRel) {
            let (core, marking) = (self.core.clone(), self.marking.clone());
            tokio::spawn(async move {
                if let Err(error) = core.mark().await {
                    warn!(error = &error as &dyn std::error::Error, "Store cannot write its mark");
                }
                marking.store(false, Ordering::Release);
            });
        }
    }

    /// Shows the observers everything as it is now.
    async fn rebuild(&self) -> Result<(), StoreError> {
        let all = self.core.range(&Range::default()).await?;
        info!(revision = all.revision.0, keys = all.count, "Store was read again: etcd compacted changes");
        self.core.publisher.prepare(all.kvs.iter().map(|kv| (&*kv.key, &*kv.value))).await;
        self.core.publisher.rebuilt(&all.kvs, all.revision)
    }
}

/// Opens a watch over everything after a revision.
pub(super) async fn open(
    core: &Core,
    after: Revision,
) -> Result<(mpsc::UnboundedSender<WatchRequest>, tonic::Streaming<WatchResponse>, usize), StoreError> {
    let (requests, mut queue) = mpsc::unbounded_channel();
    let (key, range_end) = core.names.all();
    let start_revision = super::signed(after.next());
    let create = WatchCreate { key, range_end, start_revision, prev_kv: true };
    let _ = requests.send(WatchRequest { request: Some(Watch::Create(create)) });
    let queue = futures::stream::poll_fn(move |context| queue.poll_recv(context));
    let (place, stream) = core.cluster.stream(WATCH, queue).await?;
    Ok((requests, stream, place))
}

/// The changes of some events that come after a revision.
pub(super) fn changes<'e>(
    core: &Core,
    events: impl Iterator<Item = &'e Event>,
    after: Revision,
) -> Vec<Change> {
    let change = |event: &Event| {
        let kv = event.kv.as_ref()?;
        let revision = super::number(kv.mod_revision);
        let key = core.names.inner(&kv.key).filter(|key| !core.names.is_own(key))?;
        let deleted = event.kind == i32::from(EventKind::Delete);
        let previous = event.prev_kv.as_ref().map(|kv| super::number(kv.mod_revision));
        let value = (!deleted).then(|| kv.value.clone());
        (revision > after).then_some(Change { revision, key, value, previous })
    };
    events.filter_map(change).collect()
}

/// Fails if etcd ended the watch.
pub(super) fn refuse_cancelled(message: &WatchResponse) -> Result<(), StoreError> {
    if message.compact_revision > 0 {
        let oldest = super::number(message.compact_revision);
        return Err(StoreError::Compacted { asked: Revision::UNSET, oldest });
    }
    if message.canceled {
        let reason = message.cancel_reason.clone();
        return Err(StoreError::Unavailable { doing: "watch", reason, source: None });
    }
    Ok(())
}

fn quiet() -> StoreError {
    StoreError::Unavailable { doing: "watch", reason: "the stream went quiet".to_owned(), source: None }
}

fn ended() -> StoreError {
    StoreError::Unavailable { doing: "watch", reason: "the stream ended".to_owned(), source: None }
}

/// Waits until somebody has waited a while for a revision that did not come.
async fn stuck(wanted: &mut watch::Receiver<Revision>, core: &Core) {
    loop {
        let target = *wanted.borrow_and_update();
        if target > core.publisher.current() {
            tokio::time::sleep(PATIENCE).await;
            if target > core.publisher.current() {
                return;
            }
        } else if wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
