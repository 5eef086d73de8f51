//! What revision is now, by quorum. Reads that ask while one question is under way share the next.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Core;
use super::cluster::RANGE;
use super::proto::{RangeRequest, RangeResponse};
use crate::{Revision, StoreError};

type Asked = oneshot::Sender<Result<Revision, StoreError>>;

/// Asks etcd for the revision on behalf of many.
pub(super) struct Clock(mpsc::UnboundedSender<Asked>);

impl Clock {
    pub(super) fn start(core: Arc<Core>) -> (Self, tokio::task::JoinHandle<()>) {
        let (ask, asked) = mpsc::unbounded_channel();
        (Self(ask), tokio::spawn(run(core, asked)))
    }

    /// A revision that is at least as new as everything acknowledged before the call.
    pub(super) async fn now(&self) -> Result<Revision, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run(core: Arc<Core>, mut asked: mpsc::UnboundedReceiver<Asked>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, usize::MAX).await > 0 {
        // INVARIANT: the question begins after everybody in `waiting` asked.
        let now = core.quorum_revision().await;
        for reply in waiting.drain(..) {
            let _ = reply.send(now.clone());
        }
    }
}

impl Core {
    /// The revision of the cluster, as a read by quorum tells it.
    pub(super) async fn quorum_revision(&self) -> Result<Revision, StoreError> {
        let key = self.names.own("mark");
        let question = RangeRequest { key, count_only: true, ..RangeRequest::default() };
        let answer: RangeResponse = self.cluster.read(RANGE, "tell its revision", question).await?;
        Ok(super::revision_of(answer.header.as_ref()))
    }
}
