//! What `/livez` and `/readyz` ask, under upstream's names as far as there is something to ask.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_apiserver::{Check, Health};
use portcullis_storage::Store;

/// What was done before the server listened: it would not be there otherwise. There are no informers here but
/// caches, which are full by then, and all groups are served by this process, so that what upstream's
/// aggregator begins with is done as well.
const DONE: [&str; 21] = [
    "log",
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/storage-readiness",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
];
/// What the server says of itself, again and again.
const TOLD: [&str; 3] = [
    "poststarthook/bootstrap-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
];

/// Whether the last attempt of something that is done again and again went well.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastAttempt(Arc<Mutex<Option<String>>>);

impl LastAttempt {
    /// Keeps in mind why it failed, if it did.
    pub(crate) fn was(&self, failure: Option<String>) {
        *self.0.lock() = failure;
    }

    fn result(&self) -> Result<(), String> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}

/// All checks: that the store takes writes, and that the server could say where it is.
pub(crate) fn checks(store: &Arc<dyn Store>, told: &LastAttempt) -> Health {
    let open = |name| {
        let progress = store.progress();
        Check::new(name, move || {
            progress.has_changed().map(drop).map_err(|_| "the store is closed".to_owned())
        })
    };
    let mut health = Health::default().live(open("etcd"));
    for name in DONE {
        health = health.live(Check::new(name, || Ok(())));
    }
    for name in TOLD {
        let told = told.clone();
        health = health.live(Check::new(name, move || told.result()));
    }
    health.ready(open("etcd-readiness")).ready(Check::new("informer-sync", || Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stays_until_the_next_attempt() {
        let attempt = LastAttempt::default();
        assert_eq!(attempt.result(), Ok(()));
        attempt.was(Some("no room".to_owned()));
        assert_eq!(attempt.clone().result(), Err("no room".to_owned()));
        attempt.was(None);
        assert_eq!(attempt.result(), Ok(()));
    }
}
