//! The store of several API servers side by side: etcd.
//!
//! Keys and values are laid out as upstream's, so that upstream's servers and ours can share one etcd.
//!
//! ```text
//!  commit(Txn) -> etcd's transaction -> its revision -> wait for the feed -> the caller is answered
//!  fresh()     -> revision by quorum ----------------^
//!  feed: one watch over everything -> caches, observers (in revision order) -> the revision moves
//! ```
//!
//! INVARIANT: a revision is current here only when the observers have seen everything up to it. A
//! linearizable read asks etcd for its revision by quorum and waits for the feed to reach it, then reads
//! memory.

mod clock;
mod cluster;
mod compactor;
mod credentials;
mod failure;
mod feed;
mod fill;
mod leases;
mod names;
mod options;
mod outbox;
mod proto;
mod publisher;
mod reads;
mod txn;
mod version;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use options::{EtcdOptions, EtcdTls};

use crate::{
    CommitOutcome, History, KeyValue, Observer, OutboxRecord, Range, RangeResult, Revision, Store,
    StoreError, Txn,
};
use clock::Clock;
use cluster::{Cluster, RANGE, TXN};
use feed::Feed;
use leases::Leases;
use names::Names;
use outbox::Outbox;
use proto::{Header, PutRequest, RangeRequest, RangeResponse, Request, TxnRequest, TxnResponse};
use publisher::Publisher;

/// The etcd store.
pub struct Etcd {
    core: Arc<Core>,
    clock: Clock,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What its tasks share.
struct Core {
    cluster: Cluster,
    names: Names,
    publisher: Publisher,
    leases: Leases,
    outbox: Outbox,
    /// The newest revision somebody waits for.
    wanted: watch::Sender<Revision>,
    timeout: Duration,
}

impl Etcd {
    /// Opens the store; some member must answer and have a quorum.
    pub async fn connect(options: EtcdOptions) -> Result<Self, StoreError> {
        let cluster = Cluster::new(&options)?;
        let names = Names::new(&options.prefix);
        let question = RangeRequest { key: names.own("mark"), count_only: true, ..RangeRequest::default() };
        let answer: RangeResponse = cluster.read(RANGE, "tell its revision", question).await?;
        let header = answer.header.unwrap_or_default();
        let start = revision_of(Some(&header));
        let (wanted, wants) = watch::channel(start);
        let core = Arc::new(Core {
            cluster,
            names,
            publisher: Publisher::new(start),
            leases: Leases::default(),
            outbox: Outbox::new(&options.server),
            wanted,
            timeout: options.timeout,
        });
        let feed = Feed::new(core.clone(), header.cluster_id, wants);
        let (clock, ticking) = Clock::start(core.clone());
        let mut tasks = vec![ticking, tokio::spawn(feed.run())];
        if !options.compaction_interval.is_zero() {
            tasks.push(tokio::spawn(compactor::run(core.clone(), options.compaction_interval)));
        }
        Ok(Self { core, clock, tasks: Mutex::new(tasks) })
    }

    fn open(&self) -> Result<&Core, StoreError> {
        if self.core.publisher.is_closed() { Err(StoreError::Closed) } else { Ok(&self.core) }
    }
}

#[async_trait]
impl Store for Etcd {
    fn current_revision(&self) -> Revision {
        self.core.publisher.current()
    }

    async fn fresh(&self) -> Result<Revision, StoreError> {
        self.open()?;
        let now = self.clock.now().await?;
        self.core.reach(now).await?;
        Ok(self.current_revision())
    }

    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<KeyValue>, StoreError> {
        self.open()?.get(key, at).await
    }

    async fn range(&self, range: Range) -> Result<RangeResult, StoreError> {
        self.open()?.range(&range).await
    }

    async fn commit(&self, txn: Txn) -> Result<CommitOutcome, StoreError> {
        txn.check()?;
        self.open()?.commit(&txn).await
    }

    async fn history(&self, prefix: &str, after: Revision, limit: usize) -> Result<History, StoreError> {
        self.open()?.history(prefix, after, limit).await
    }

    async fn compact(&self, to: Revision) -> Result<(), StoreError> {
        self.open()?.compact(to).await
    }

    fn oldest_revision(&self) -> Revision {
        self.core.publisher.oldest()
    }

    fn progress(&self) -> watch::Receiver<Revision> {
        self.core.publisher.subscribe()
    }

    fn observe(&self, observer: Box<dyn Observer>) -> Result<Revision, StoreError> {
        self.core.publisher.add(observer)
    }

    fn newest_outbox(&self) -> u64 {
        self.core.outbox.newest()
    }

    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxRecord>, StoreError> {
        self.open()?.outbox_after(after, limit).await
    }

    async fn drain_outbox(&self, sequence: u64) -> Result<(), StoreError> {
        self.open()?.drain_outbox(sequence).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.open()?;
        self.core.publisher.close();
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        Ok(())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.core.publisher.close();
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd").field("current", &self.core.publisher.current()).finish_non_exhaustive()
    }
}

impl Core {
    /// Waits until observers have seen a revision, and makes the feed show it.
    async fn reach(&self, revision: Revision) -> Result<(), StoreError> {
        if self.publisher.current() >= revision {
            return Ok(());
        }
        let mut progress = self.publisher.subscribe();
        self.wanted.send_if_modified(|wanted| {
            let further = revision > *wanted;
            *wanted = revision.max(*wanted);
            further
        });
        let reached = tokio::time::timeout(self.timeout, progress.wait_for(|seen| *seen >= revision)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable {
                doing: "show its changes",
                reason: format!("the watch does not come to revision {revision}"),
                source: None,
            }),
        }
    }

    /// Changes a key of its own, so that there is a revision that the feed will show.
    async fn mark(&self) -> Result<Revision, StoreError> {
        let put = PutRequest { key: self.names.own("mark"), ..PutRequest::default() };
        let request = TxnRequest { success: vec![Request::Put(put).into()], ..TxnRequest::default() };
        let answer: TxnResponse = self.cluster.write(TXN, request).await?;
        Ok(revision_of(answer.header.as_ref()))
    }
}

fn revision_of(header: Option<&Header>) -> Revision {
    header.map_or(Revision::UNSET, |header| number(header.revision))
}

/// etcd's revisions are signed and never negative.
fn number(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or_default())
}

fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
