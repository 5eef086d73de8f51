//! Filling an empty etcd with what another store holds, at the revisions it was written at.
//!
//! etcd gives out revisions itself, one a transaction, so every revision is made: those of keys put the
//! keys, those between only touch a note. The note holds the dump's digest for as long as filling goes on;
//! an interrupted run finds it and goes on after the last revision made. The last one removes it.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::cluster::{RANGE, TXN};
use super::proto::{
    DeleteRequest, PutRequest, RangeRequest, RangeResponse, Request, TxnRequest, TxnResponse,
};
use super::{Core, Etcd};
use crate::dump::{self, DumpError, DumpFile, TTL_OF_EVENTS, ends};
use crate::{KeyValue, Revision, Store as _, StoreError};

/// Revisions without keys that are made at once.
const AT_ONCE: usize = 64;
/// etcd's default limit of operations in a transaction, less the note's.
const OPERATIONS: usize = 127;

impl Etcd {
    /// Fills an etcd that nothing was written to since it was made, or goes on with filling it; then reads it back
    /// and compares digests. `told` hears of revisions reached.
    ///
    /// # Errors
    /// When there is other data, somebody else writes, or etcd fails. It can be called again.
    pub async fn fill(&self, dump: &DumpFile, mut told: impl FnMut(Revision)) -> Result<(), StoreError> {
        let wanted = *dump.summary();
        let note = Bytes::copy_from_slice(&wanted.digest);
        if let Some(mut at) = self.begin(dump, &note).await? {
            for (revision, places) in dump.revisions(at) {
                self.core.make_empty(at, revision, &note).await?;
                let kvs = places.iter().map(|(_, place)| dump.at(*place)).collect::<Result<Vec<_>, _>>();
                let last = (revision == wanted.revision).then_some(revision);
                self.core.make(revision, &kvs.map_err(damaged)?, last, &note).await?;
                at = revision;
                told(at);
            }
            if at < wanted.revision {
                self.core.make_empty(at, wanted.revision, &note).await?;
                self.core.make(wanted.revision, &[], Some(wanted.revision), &note).await?;
            }
        }
        if dump::summary(self).await? == wanted {
            return Ok(());
        }
        Err(StoreError::Corrupt { place: "etcd".into(), reason: "it does not hold what was put".into() })
    }

    /// The revision to go on after; `None` if all is there already.
    async fn begin(&self, dump: &DumpFile, note: &Bytes) -> Result<Option<Revision>, StoreError> {
        let key = self.core.names.own("filling");
        let question = RangeRequest { key, ..RangeRequest::default() };
        let found: RangeResponse = self.core.cluster.read(RANGE, "read", question).await?;
        let now = super::revision_of(found.header.as_ref());
        match found.kvs.first() {
            Some(kv) if kv.value == *note => return Ok(Some(now)),
            Some(_) => return Err(other_data("it is being filled from another store")),
            None => {}
        }
        let held = self.range(crate::Range::default().limit(1)).await?;
        if now == Revision::FIRST && held.count == 0 {
            return Ok(Some(now));
        }
        if now == dump.summary().revision && dump::summary(self).await? == *dump.summary() {
            return Ok(None);
        }
        Err(other_data(&format!("it is at revision {now} and holds {} keys", held.count)))
    }
}

impl Core {
    /// Makes the revisions between two.
    async fn make_empty(&self, after: Revision, before: Revision, note: &Bytes) -> Result<(), StoreError> {
        let count = before.0.saturating_sub(after.0).saturating_sub(1);
        let make = |_| async {
            let put =
                PutRequest { key: self.names.own("filling"), value: note.clone(), ..PutRequest::default() };
            self.write_all(vec![Request::Put(put)]).await
        };
        let made = futures::stream::iter(0..count).map(make).buffer_unordered(AT_ONCE);
        let last = made.try_fold(after, |last, made| async move { Ok(last.max(made)) }).await?;
        expect(last, Revision(before.0.saturating_sub(1)).max(after))
    }

    /// Makes the revision of some keys; the last one removes the note.
    async fn make(
        &self,
        revision: Revision,
        kvs: &[KeyValue],
        last: Option<Revision>,
        note: &Bytes,
    ) -> Result<(), StoreError> {
        if kvs.len() > OPERATIONS {
            let said = format!("revision {revision} wrote {} keys, more than etcd takes at once", kvs.len());
            return Err(StoreError::Invalid(said));
        }
        let own = self.names.own("filling");
        let mut requests = vec![if last.is_some() {
            Request::Delete(DeleteRequest { key: own, ..DeleteRequest::default() })
        } else {
            Request::Put(PutRequest { key: own, value: note.clone(), ..PutRequest::default() })
        }];
        for kv in kvs {
            let lease =
                if ends(&kv.key) { self.leases.for_ttl(&self.cluster, TTL_OF_EVENTS).await? } else { 0 };
            let (key, value) = (self.names.outer(&kv.key)?, kv.value.clone());
            requests.push(Request::Put(PutRequest { key, value, lease, prev_kv: false }));
        }
        expect(self.write_all(requests).await?, revision)
    }

    async fn write_all(&self, requests: Vec<Request>) -> Result<Revision, StoreError> {
        let success = requests.into_iter().map(Into::into).collect();
        let answer: TxnResponse =
            self.cluster.write(TXN, TxnRequest { success, ..TxnRequest::default() }).await?;
        Ok(super::revision_of(answer.header.as_ref()))
    }
}

fn expect(made: Revision, wanted: Revision) -> Result<(), StoreError> {
    if made == wanted {
        return Ok(());
    }
    Err(other_data(&format!("somebody else writes to it: revision {made} came where {wanted} was due")))
}

fn other_data(what: &str) -> StoreError {
    StoreError::Occupied(format!("etcd holds other data: {what}"))
}

fn damaged(error: DumpError) -> StoreError {
    StoreError::Corrupt { place: "the dump".to_owned(), reason: error.to_string() }
}
