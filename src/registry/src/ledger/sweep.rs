//! Records of credentials that ended before their time: what they were bound to is gone.

use portcullis_api::Result;
use portcullis_storage::{Entry, Key, Op, Txn};

use crate::Registry;
use crate::door::storage_error;
use crate::resource::Resource;

impl Registry {
    /// Removes the records of credentials whose account, pod, secret, node or token object is gone. Whoever
    /// calls this does so now and then.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn sweep_ledger(&self) -> Result<usize> {
        let Some(records) = self.records() else { return Ok(0) };
        // A snapshot of the records first: what they are bound to is read later, so it is newer.
        let snapshot = records.snapshot()?;
        self.store().fresh().await.map_err(storage_error)?;
        let mut dead = Vec::new();
        for entry in snapshot.iter() {
            if !self.is_alive(records, entry)? {
                dead.push(entry.key().clone());
            }
        }
        for some in dead.chunks(super::TOGETHER) {
            let ops = some.iter().map(|key: &Key| Op::Delete { key: key.clone() }).collect();
            self.commit_own(Txn { ops, ..Txn::default() }).await?;
        }
        Ok(dead.len())
    }

    fn is_alive(&self, records: &Resource, record: &Entry) -> Result<bool> {
        let field = |name: &str| records.field(record, name).unwrap_or_default();
        match field("spec.type") {
            "ServiceAccountToken" => {
                let account = [
                    field("spec.serviceAccount.namespace"),
                    field("spec.serviceAccount.name"),
                    field("spec.serviceAccount.uid"),
                ];
                let bound =
                    [field("spec.boundTo.namespace"), field("spec.boundTo.name"), field("spec.boundTo.uid")];
                let bound = match field("spec.boundTo.kind") {
                    "Pod" => self.is_there("pods", bound)?,
                    "Secret" => self.is_there("secrets", bound)?,
                    "Node" => self.is_there("nodes", bound)?,
                    _ => true,
                };
                Ok(bound && self.is_there("serviceaccounts", account)?)
            }
            _ => Ok(true),
        }
    }

    fn is_there(&self, resource: &str, [namespace, name, uid]: [&str; 3]) -> Result<bool> {
        let Some(resource) = self.resources().get("", "v1", resource) else { return Ok(true) };
        let entry = resource.entry(&resource.key(namespace, name))?;
        Ok(entry.is_some_and(|entry| entry.uid() == uid))
    }
}
