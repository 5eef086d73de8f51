//! What a write takes of quotas, stored with it: the object and the usage it causes are one commit.

use std::collections::BTreeMap;

use portcullis_admission::Reservation;
use portcullis_api::{ApiError, Object, Result};
use portcullis_storage::{Expect, Guard, Key, Op, Revision, Txn};

use crate::Registry;
use crate::resource::Resource;

/// Adds the charges of a write to its transaction. A quota that changes meanwhile fails the guard that
/// comes after the write's own.
pub(crate) fn add_to(registry: &Registry, reservations: &[Reservation], txn: &mut Txn) -> Result<()> {
    if reservations.is_empty() {
        return Ok(());
    }
    let resource = registry
        .resources()
        .get("", "v1", "resourcequotas")
        .ok_or_else(|| ApiError::internal("resource quotas are not served"))?;
    for (key, (revision, quota)) in charged(resource, reservations)? {
        txn.guards.push(Guard { key: key.clone(), expect: Expect::ModRevision(revision) });
        txn.ops.push(Op::Put { key, value: resource.encode(quota)?, ttl: None });
    }
    Ok(())
}

/// Each quota once, with everything that is charged to it. One that is gone owes nothing.
fn charged(resource: &Resource, reservations: &[Reservation]) -> Result<BTreeMap<Key, (Revision, Object)>> {
    let mut quotas = BTreeMap::new();
    for charge in reservations.iter().flat_map(Reservation::charges) {
        let key = resource.key(&charge.namespace, &charge.name);
        if !quotas.contains_key(&key) {
            let Some(entry) = resource.entry(&key)? else { continue };
            quotas.insert(key.clone(), (entry.revision(), resource.tree(&entry)?));
        }
        if let Some((_, quota)) = quotas.get_mut(&key) {
            charge.apply(quota);
        }
    }
    Ok(quotas)
}
