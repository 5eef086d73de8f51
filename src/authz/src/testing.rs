//! Requests for tests of the gates.

pub(crate) mod hook;

use std::sync::Arc;

use portcullis_api::attributes::{ResourceTarget, Target};
use portcullis_api::{RequestInfo, UserInfo, Verb, body};
use portcullis_audit::AuditSlot;
use portcullis_authn::Attributed;
use portcullis_pki::Peer;

use crate::evidence::Effective;

/// What a future comes to that has nothing to wait for.
#[track_caller]
pub(crate) fn now<F: std::future::Future>(future: F) -> F::Output {
    futures::FutureExt::now_or_never(future).expect("nothing is to be waited for")
}

/// A request for pods of namespace `n`.
pub(crate) fn info(verb: Verb, name: &str) -> Arc<RequestInfo> {
    let target = ResourceTarget {
        version: "v1".into(),
        namespace: "n".into(),
        resource: "pods".into(),
        name: name.into(),
        ..ResourceTarget::default()
    };
    Arc::new(RequestInfo { verb, path: "/api/v1/namespaces/n/pods".into(), target: Target::Resource(target) })
}

/// A request of a user without impersonation.
pub(crate) fn effective(user: &UserInfo, info: &Arc<RequestInfo>) -> Effective {
    let (parts, ()) = http::Request::new(()).into_parts();
    let slot = AuditSlot::unrecorded(Arc::clone(info));
    let request = Attributed::new(parts, body::empty(), Arc::clone(info), Peer::NoCertificate, slot);
    Effective::assertion(request, user.clone(), None, portcullis_authn::Life::default())
}
