//! Whether a token that opened a stream is still good: neither it nor its account was revoked, the key that
//! signed it is still believed, and what it is bound to is still there. Asked several times a second, so it looks only at what is in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;

use crate::jwt::{Binding, Reference};
use crate::keys::KeySet;
use crate::life::StillGood;
use crate::lookup::{Glance, Lookup, Watched};
use crate::revoked_tokens::RevokedTokens;
use crate::signature_cache::Signed;

/// How long it is believed that objects are still there, in milliseconds. A frame of a watch does not
/// ask anew, its clock does.
const BELIEVED: i64 = 250;

pub(super) struct Standing {
    signed: Arc<Signed>,
    keys: Arc<KeySet>,
    revoked: Arc<RevokedTokens>,
    lookup: Option<Arc<dyn Lookup>>,
    /// The list of revocations that was last seen not to name the token.
    seen: AtomicU64,
    /// When the objects were last seen, in milliseconds since 1970.
    looked: AtomicI64,
}

impl Standing {
    /// Of a token that a list of this generation does not name.
    pub(super) fn new(
        signed: Arc<Signed>,
        keys: Arc<KeySet>,
        revoked: Arc<RevokedTokens>,
        generation: u64,
    ) -> Self {
        let (seen, looked) = (AtomicU64::new(generation), AtomicI64::new(0));
        Self { signed, keys, revoked, lookup: None, seen, looked }
    }

    /// Bound to objects that are looked up here.
    pub(super) fn bound_by(self, lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup: Some(lookup), ..self }
    }

    fn is_revoked(&self) -> bool {
        let generation = self.revoked.generation();
        if self.seen.load(Ordering::Relaxed) == generation {
            return false;
        }
        let revoked = self.revoked.covers(self.signed.claims.traits());
        if !revoked {
            self.seen.store(generation, Ordering::Relaxed);
        }
        revoked
    }

    fn is_bound(&self, now: Timestamp) -> bool {
        let millis = now.as_millisecond();
        if (millis - self.looked.load(Ordering::Relaxed)).abs() < BELIEVED {
            return true;
        }
        let Binding { namespace, serviceaccount, secret, pod, node, .. } = &self.signed.claims.kubernetes;
        let node = if pod.is_some() { &None } else { node };
        let bound = self.is_there(Watched::ServiceAccounts, namespace, Some(serviceaccount))
            && self.is_there(Watched::Secrets, namespace, secret.as_ref())
            && self.is_there(Watched::Pods, namespace, pod.as_ref())
            && self.is_there(Watched::Nodes, "", node.as_ref());
        if bound {
            self.looked.store(millis, Ordering::Relaxed);
        }
        bound
    }

    fn is_there(&self, of: Watched, namespace: &str, claimed: Option<&Reference>) -> bool {
        let Some(claimed) = claimed else { return true };
        let Some(lookup) = &self.lookup else { return true };
        match lookup.glance(of, namespace, &claimed.name) {
            Glance::There(uid) => *uid == *claimed.uid,
            Glance::Gone => false,
            // A store that is away ends no stream; every request asks it.
            Glance::Unknown => true,
        }
    }
}

impl StillGood for Standing {
    fn is_good(&self, now: Timestamp) -> bool {
        !self.is_revoked() && self.keys.load().hold(&self.signed.key) && self.is_bound(now)
    }
}
