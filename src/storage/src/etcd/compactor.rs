//! Forgetting old revisions, once for all API servers that share an etcd.
//!
//! The protocol is upstream's, with upstream's key, so that servers of both kinds take turns: who finds
//! the key's version as it left it writes the revision of last time into it and compacts to that. What was
//! written less than one interval ago is therefore always kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, warn};

use super::Core;
use super::cluster::{COMPACT, TXN};
use super::proto::{
    CompactRequest, CompactResponse, Compare, Operand, PutRequest, RangeRequest, Relation, Request, Response,
    Target, TxnRequest, TxnResponse,
};
use crate::{Revision, StoreError};

/// Upstream's key.
const KEY: &[u8] = b"compact_rev_key";

/// What one server knows of the turns.
#[derive(Default)]
pub(super) struct Turn {
    /// The key's version when it was last seen.
    version: i64,
    /// The revision at the last turn.
    revision: Revision,
}

/// Compacts every `interval` if it is this server's turn.
pub(super) async fn run(core: Arc<Core>, interval: Duration) {
    let mut turn = Turn::default();
    loop {
        tokio::time::sleep(interval).await;
        match core.compact_in_turn(&mut turn).await {
            Ok(Some(revision)) => debug!(revision = revision.0, "Store forgot old revisions"),
            Ok(None) => {}
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "Store cannot forget old revisions")
            }
        }
    }
}

impl Core {
    /// Takes a turn; returns the revision it compacted to, if it was this server's and there was one.
    pub(super) async fn compact_in_turn(&self, turn: &mut Turn) -> Result<Option<Revision>, StoreError> {
        let key = Bytes::from_static(KEY);
        let compare = Compare {
            relation: Relation::Equal.into(),
            target: Target::Version.into(),
            key: key.clone(),
            operand: Some(Operand::Version(turn.version)),
        };
        let value = turn.revision.0.to_string().into();
        let put = Request::Put(PutRequest { key: key.clone(), value, ..PutRequest::default() });
        let look = Request::Range(RangeRequest { key, ..RangeRequest::default() });
        let request =
            TxnRequest { compare: vec![compare], success: vec![put.into()], failure: vec![look.into()] };
        let answer: TxnResponse = self.cluster.write(TXN, request).await?;
        let before = std::mem::replace(&mut turn.revision, super::revision_of(answer.header.as_ref()));
        if !answer.succeeded {
            turn.version = answer.responses.into_iter().find_map(version).unwrap_or_default();
            return Ok(None);
        }
        turn.version += 1;
        if before.is_unset() {
            return Ok(None);
        }
        self.compact(before).await.map(|()| Some(before))
    }

    /// Forgets what is only needed for reads before a revision.
    pub(super) async fn compact(&self, to: Revision) -> Result<(), StoreError> {
        let request = CompactRequest { revision: super::signed(to) };
        match self.cluster.read::<_, CompactResponse>(COMPACT, "compact", request).await {
            Ok(_) => {
                self.publisher.compacted(to);
                Ok(())
            }
            Err(StoreError::Compacted { .. }) => {
                Err(StoreError::Compacted { asked: to, oldest: self.publisher.oldest().max(to) })
            }
            Err(StoreError::Future { .. }) => {
                Err(StoreError::Future { asked: to, current: self.publisher.current() })
            }
            Err(other) => Err(other),
        }
    }
}

fn version(response: super::proto::ResponseOp) -> Option<i64> {
    match response.response? {
        Response::Range(found) => Some(found.kvs.first()?.version),
        Response::Put(_) | Response::Delete(_) => None,
    }
}
