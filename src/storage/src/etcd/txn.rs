//! The store's transactions as etcd's.
//!
//! Guards become comparisons, operations the branch taken when all hold; the other branch reads the
//! guarded keys, so that a refusal says what is there. What an operation replaces is known from its
//! guard, or else etcd is asked for it.

use bytes::Bytes;

use super::Core;
use super::cluster::TXN;
use super::proto::{
    Compare, DeleteRequest, Operand, PutRequest, RangeRequest, Relation, Request, RequestOp, Response,
    ResponseOp, Target, TxnRequest, TxnResponse,
};
use crate::{CommitOutcome, Expect, Guard, KeyValue, Op, Revision, StoreError, Txn};

impl Core {
    /// Makes a transaction, and waits until observers have seen it.
    pub(super) async fn commit(&self, txn: &Txn) -> Result<CommitOutcome, StoreError> {
        let outbox = txn.outbox.as_ref().map(|record| self.outbox.begin(record.clone()));
        let record =
            outbox.as_ref().map(|slot| (self.outbox.key(&self.names, slot.sequence()), slot.record()));
        let answer = match self.attempt(txn, record.clone()).await {
            Err(StoreError::Unknown { reason, .. }) if reason.contains("requested lease not found") => {
                self.leases.forget().await;
                self.attempt(txn, record).await?
            }
            answer => answer?,
        };
        let revision = super::revision_of(answer.header.as_ref());
        if answer.succeeded {
            drop(outbox);
            self.committed(txn, &answer, revision).await
        } else {
            self.refused(txn, answer, revision).await
        }
    }

    async fn attempt(&self, txn: &Txn, record: Option<(Bytes, Bytes)>) -> Result<TxnResponse, StoreError> {
        let mut request = TxnRequest {
            compare: self.each(&txn.guards, Self::comparisons)?,
            success: Vec::with_capacity(txn.ops.len() + 1),
            failure: self.each(&txn.guards, Self::look)?,
        };
        for op in &txn.ops {
            request.success.push(self.operation(txn, op).await?.into());
        }
        if let Some((key, value)) = record {
            request.success.push(Request::Put(PutRequest { key, value, ..PutRequest::default() }).into());
        }
        self.cluster.write(TXN, request).await
    }

    fn each<T>(
        &self,
        guards: &[Guard],
        make: impl Fn(&Self, &Guard) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        guards.iter().filter_map(|guard| make(self, guard).transpose()).collect()
    }

    fn comparisons(&self, guard: &Guard) -> Result<Option<Compare>, StoreError> {
        let (relation, target, operand) = match guard.expect {
            Expect::Any => return Ok(None),
            Expect::Absent => (Relation::Equal, Target::Create, Operand::Create(0)),
            Expect::Present => (Relation::Greater, Target::Create, Operand::Create(0)),
            Expect::ModRevision(revision) => {
                (Relation::Equal, Target::Mod, Operand::Mod(super::signed(revision)))
            }
        };
        let key = self.names.outer(&guard.key)?;
        Ok(Some(Compare { relation: relation.into(), target: target.into(), key, operand: Some(operand) }))
    }

    fn look(&self, guard: &Guard) -> Result<Option<RequestOp>, StoreError> {
        let key = self.names.outer(&guard.key)?;
        Ok(Some(Request::Range(RangeRequest { key, ..RangeRequest::default() }).into()))
    }

    async fn operation(&self, txn: &Txn, op: &Op) -> Result<Request, StoreError> {
        let key = self.names.outer(op.key())?;
        let prev_kv = replaced(txn, op).is_none();
        Ok(match op {
            Op::Put { value, ttl, .. } => {
                let lease = match ttl {
                    Some(ttl) => self.leases.for_ttl(&self.cluster, *ttl).await?,
                    None => 0,
                };
                Request::Put(PutRequest { key, value: value.clone(), lease, prev_kv })
            }
            Op::Delete { .. } => Request::Delete(DeleteRequest { key, range_end: Bytes::new(), prev_kv }),
        })
    }

    async fn committed(
        &self,
        txn: &Txn,
        answer: &TxnResponse,
        revision: Revision,
    ) -> Result<CommitOutcome, StoreError> {
        let mut responses = answer.responses.iter();
        let previous: Vec<_> = txn
            .ops
            .iter()
            .map(|op| (responses.next(), replaced(txn, op)))
            .map(|(response, known)| known.unwrap_or_else(|| previous(response)))
            .collect();
        let put = |op: &Op| matches!(op, Op::Put { .. });
        let changed = txn.ops.iter().zip(&previous).any(|(op, previous)| put(op) || previous.is_some());
        if !changed {
            return Ok(CommitOutcome::Committed { revision: self.publisher.current(), previous });
        }
        self.reach(revision).await?;
        Ok(CommitOutcome::Committed { revision, previous })
    }

    async fn refused(
        &self,
        txn: &Txn,
        answer: TxnResponse,
        revision: Revision,
    ) -> Result<CommitOutcome, StoreError> {
        let mut found = answer.responses.into_iter().map(|response| self.found(response));
        let failed = txn.guards.iter().enumerate().find_map(|(place, guard)| {
            let current = found.next().flatten();
            (!holds(guard, current.as_ref())).then_some((place, current))
        });
        let doubt = || StoreError::Corrupt { place: "etcd".into(), reason: "it refused what holds".into() };
        let (guard, current) = failed.ok_or_else(doubt)?;
        // The caller reads again, from what the observers keep: let them have seen the reason.
        self.reach(current.as_ref().map_or(revision, |kv| kv.mod_revision)).await?;
        Ok(CommitOutcome::Conflict { guard, current, revision })
    }

    fn found(&self, response: ResponseOp) -> Option<KeyValue> {
        match response.response? {
            Response::Range(found) => found.kvs.into_iter().next().and_then(|kv| self.shown(kv)),
            Response::Put(_) | Response::Delete(_) => None,
        }
    }
}

/// What an operation replaces, if the transaction's guards say it.
fn replaced(txn: &Txn, op: &Op) -> Option<Option<Revision>> {
    txn.guards.iter().filter(|guard| guard.key == *op.key()).find_map(|guard| match guard.expect {
        Expect::Absent => Some(None),
        Expect::ModRevision(revision) => Some(Some(revision)),
        Expect::Present | Expect::Any => None,
    })
}

fn previous(response: Option<&ResponseOp>) -> Option<Revision> {
    let kv = match response?.response.as_ref()? {
        Response::Put(put) => put.prev_kv.as_ref()?,
        Response::Delete(delete) => delete.prev_kvs.first()?,
        Response::Range(_) => return None,
    };
    Some(super::number(kv.mod_revision))
}

fn holds(guard: &Guard, current: Option<&KeyValue>) -> bool {
    match guard.expect {
        Expect::Any => true,
        Expect::Absent => current.is_none(),
        Expect::Present => current.is_some(),
        Expect::ModRevision(revision) => current.is_some_and(|kv| kv.mod_revision == revision),
    }
}
