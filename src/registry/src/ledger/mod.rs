//! The ledger: every credential that is issued here is an object that can be listed.
//!
//! ```text
//! TokenRequest            record committed, then the token is handed out
//! signing request signed  record in the commit of the certificate
//! UserToken created       record in the commit of the token; deleted with it
//! own certificates        written down at start and when they are renewed
//! ```
//!
//! A credential whose record cannot be stored is not handed out. A record leaves with its credential: by its own
//! lease when the credential ends, and within a minute of the deletion of what it is bound to. How many a
//! requester may have at once is bounded, so that nobody fills the store by asking. docs/design/0006 says why.

mod record;
mod sweep;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use portcullis_api::{ApiError, Object, Result, Verb};
use portcullis_authn::{IDENTITY_GROUP, Leaf};
use portcullis_storage::{Change, Expect, Guard, Key, Op, Txn};
use serde::Deserialize;

use crate::Registry;
use crate::call::Call;
use crate::door::Effect;
use crate::resource::Resource;

pub(crate) use record::{NewToken, Record};

/// The resource.
pub(crate) const RESOURCE: &str = "issuedcredentials";
/// Credentials of one requester that may be good at once.
pub(crate) const MOST: usize = 10_000;
/// Records that the server writes or removes in one commit.
const TOGETHER: usize = 100;
/// More servers than this do not write one record at once.
const ATTEMPTS: usize = 50;

/// Who asked for how many of the credentials that are good now. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    /// By the name of the record.
    of: HashMap<Box<str>, Arc<str>>,
    by: HashMap<Arc<str>, usize>,
}

/// What is read of a record to count it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Counted {
    spec: CountedSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct CountedSpec {
    issued_by: String,
}

impl Ledger {
    /// Learns of a commit under the ledger's keys.
    pub(crate) fn apply(&self, name: &str, change: &Change) {
        let mut counts = self.0.lock();
        counts.forget(name);
        let Some(value) = &change.value else { return };
        let record: Counted = serde_json::from_slice(value).unwrap_or_default();
        counts.add(name, &record.spec.issued_by);
    }

    fn has_room(&self, requester: &str) -> bool {
        // The server's own are as many as it has reasons to issue.
        requester.is_empty() || self.0.lock().by.get(requester).is_none_or(|count| *count < MOST)
    }
}

impl Counts {
    fn add(&mut self, name: &str, requester: &str) {
        let known = self.by.get_key_value(requester).map(|(known, _)| known.clone());
        let requester = known.unwrap_or_else(|| requester.into());
        *self.by.entry(requester.clone()).or_default() += 1;
        self.of.insert(name.into(), requester);
    }

    fn forget(&mut self, name: &str) {
        let Some(requester) = self.of.remove(name) else { return };
        let left = self.by.get_mut(&requester).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            self.by.remove(&requester);
        }
    }
}

impl Registry {
    /// Where records are; `None` where our own group is not served.
    fn records(&self) -> Option<&Arc<Resource>> {
        self.resources().get(IDENTITY_GROUP, "v1", RESOURCE)
    }

    /// Writes a new token down, with the audit record of its request. Until this has succeeded nobody is shown it.
    ///
    /// # Errors
    /// 429 when the requester has too many; whatever the store says.
    pub(crate) async fn write_down(
        &self,
        call: &Call<'_>,
        token: &NewToken<'_>,
        about: &Object,
    ) -> Result<()> {
        let Some(records) = self.records() else { return Ok(()) };
        let record = Record::of_token(token);
        let key = records.key("", record.name());
        call.permit.covers(Verb::Create, &records.gr, "", record.name())?;
        for _ in 0..ATTEMPTS {
            let live = records.entry(&key)?.filter(|_| record.series);
            let (record, expect) = match live {
                Some(entry) => {
                    let live = records.bare_tree(&entry)?;
                    (record.clone().after(&live, Timestamp::now()), Expect::ModRevision(entry.revision()))
                }
                None => (record.clone(), Expect::Absent),
            };
            if matches!(expect, Expect::Absent) {
                self.check_room(&record)?;
            }
            let Some(put) = put(records, &key, record)? else { return Ok(()) };
            let txn = Txn { guards: vec![Guard { key: key.clone(), expect }], ops: vec![put], outbox: None };
            if self.commit_record(call, txn, about).await? {
                return Ok(());
            }
            // Another request of the same pod was first.
            self.store().fresh().await.map_err(crate::storage_error)?;
        }
        Err(ApiError::unavailable("the record of a token kept being written by others"))
    }

    /// What the ledger writes in the commit of an object: the record of a credential that the object brings.
    ///
    /// # Errors
    /// 429 when the requester has too many.
    pub(crate) fn beside(
        &self,
        call: &Call<'_>,
        object: Option<&Object>,
        effect: &Effect<'_>,
    ) -> Result<Vec<Op>> {
        let Some(records) = self.records() else { return Ok(Vec::new()) };
        if call.resource.is(IDENTITY_GROUP, "usertokens") {
            return self.beside_user_token(call, records, object, effect);
        }
        // Whoever signs writes the certificate into the status.
        let signs = call.resource.is("certificates.k8s.io", "certificatesigningrequests")
            && &*call.target.subresource == "status"
            && effect.stores();
        if !signs {
            return Ok(Vec::new());
        }
        self.beside_new(call, records, object.and_then(Record::of_request))
    }

    fn beside_user_token(
        &self,
        call: &Call<'_>,
        records: &Resource,
        object: Option<&Object>,
        effect: &Effect<'_>,
    ) -> Result<Vec<Op>> {
        match effect {
            Effect::Create { .. } => self.beside_new(call, records, object.and_then(Record::of_user_token)),
            Effect::Delete { last, .. } | Effect::DeleteLast { last, .. } => {
                let name = record::user_token_name(last.uid());
                let key = records.key("", &name);
                if records.entry(&key)?.is_none() {
                    return Ok(Vec::new());
                }
                call.permit.covers(Verb::Delete, &records.gr, "", &name)?;
                Ok(vec![Op::Delete { key }])
            }
            Effect::Update { .. } | Effect::MarkDeleted { .. } => Ok(Vec::new()),
        }
    }

    fn beside_new(&self, call: &Call<'_>, records: &Resource, record: Option<Record>) -> Result<Vec<Op>> {
        let Some(record) = record else { return Ok(Vec::new()) };
        let key = records.key("", record.name());
        if records.entry(&key)?.is_some() {
            return Ok(Vec::new());
        }
        call.permit.covers(Verb::Create, &records.gr, "", record.name())?;
        self.check_room(&record)?;
        Ok(put(records, &key, record)?.into_iter().collect())
    }

    /// Writes down the certificates of the installation, each with the profile it was made by.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn write_down_certificates(&self, certificates: &[(Leaf, String)]) -> Result<()> {
        let Some(records) = self.records() else { return Ok(()) };
        let mut ops = BTreeMap::new();
        for (leaf, profile) in certificates {
            let record = Record::of_own(leaf, profile);
            let key = records.key("", record.name());
            if records.entry(&key)?.is_none()
                && let Some(put) = put(records, &key, record)?
            {
                ops.insert(key, put);
            }
        }
        let ops: Vec<Op> = ops.into_values().collect();
        for some in ops.chunks(TOGETHER) {
            self.commit_own(Txn { ops: some.to_vec(), ..Txn::default() }).await?;
        }
        Ok(())
    }

    fn check_room(&self, record: &Record) -> Result<()> {
        if self.ledger.has_room(&record.issued_by) {
            return Ok(());
        }
        let why = format!(
            "{:?} has asked for {MOST} credentials that are still good; more are issued when some of them end",
            record.issued_by
        );
        Err(ApiError::too_many_requests(why, 60))
    }
}

/// The write of a record; `None` for a credential that has ended already.
fn put(records: &Resource, key: &Key, record: Record) -> Result<Option<Op>> {
    let Some(ttl) = record.lasts(Timestamp::now()) else { return Ok(None) };
    let value = records.encode(record.object)?;
    Ok(Some(Op::Put { key: key.clone(), value, ttl: Some(ttl) }))
}

#[cfg(test)]
mod tests;
