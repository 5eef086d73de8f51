//! Leases for keys that end by themselves. Keys of about the same end share one, as upstream's do,
//! because every lease costs etcd a goroutine and a checkpoint.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, LEASE_GRANT};
use super::proto::{LeaseGrantRequest, LeaseGrantResponse};
use crate::StoreError;

/// How long a lease is given to further keys, and to how many.
const SHARED_FOR: Duration = Duration::from_secs(60);
const SHARED_BY: usize = 1000;

/// The leases that further keys may share, by the lifetime asked for in seconds.
#[derive(Default)]
pub(super) struct Leases(tokio::sync::Mutex<HashMap<u64, Lease>>);

struct Lease {
    id: i64,
    granted: Instant,
    keys: usize,
}

impl Leases {
    /// A lease for a key that lives this long.
    pub(super) async fn for_ttl(&self, cluster: &Cluster, ttl: Duration) -> Result<i64, StoreError> {
        let seconds = ttl.as_secs().max(1);
        let shared_for = SHARED_FOR.min(ttl / 20);
        let mut leases = self.0.lock().await;
        if let Some(lease) = leases.get_mut(&seconds)
            && lease.granted.elapsed() <= shared_for
            && lease.keys < SHARED_BY
        {
            lease.keys += 1;
            return Ok(lease.id);
        }
        let lifetime = seconds.saturating_add(shared_for.as_secs());
        let ttl = i64::try_from(lifetime).unwrap_or(i64::MAX);
        let granted: LeaseGrantResponse =
            cluster.read(LEASE_GRANT, "grant a lease", LeaseGrantRequest { ttl }).await?;
        if !granted.error.is_empty() {
            let reason = granted.error;
            return Err(StoreError::Unavailable { doing: "grant a lease", reason, source: None });
        }
        leases.retain(|_, lease| lease.granted.elapsed() <= SHARED_FOR);
        leases.insert(seconds, Lease { id: granted.id, granted: Instant::now(), keys: 1 });
        Ok(granted.id)
    }

    /// Shares none of the leases any more: etcd does not know one of them.
    pub(super) async fn forget(&self) {
        self.0.lock().await.clear();
    }
}
