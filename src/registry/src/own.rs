//! Requests the server makes of itself: what must exist at start, and what follows from definitions.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_api::attributes::{ResourceTarget, Target};
use portcullis_api::{RequestInfo, UserInfo, Verb};
use portcullis_audit::AuditSlot;
use portcullis_authn::Life;
use portcullis_authz::Permit;

use crate::Registry;
use crate::call::{Asked, Call};
use crate::options::Query;
use crate::resource::Resource;

/// As whom, and why it may.
pub(crate) struct Own {
    user: UserInfo,
    permit: Permit,
    headers: HeaderMap,
}

impl Own {
    /// The server itself, with a permit it gave itself for a reason.
    pub(crate) fn new(permit: Permit) -> Self {
        Self { user: permit.user().clone(), permit, headers: HeaderMap::new() }
    }

    /// A request for a resource, or for one of its subresources.
    pub(crate) fn call<'a>(
        &'a self,
        registry: &'a Registry,
        resource: &'a Arc<Resource>,
        verb: Verb,
        (namespace, subresource): (&str, &str),
    ) -> Call<'a> {
        let gvr = &resource.row.gvr;
        let target = ResourceTarget {
            group: gvr.gv.group.clone(),
            version: gvr.gv.version.clone(),
            resource: gvr.resource.clone(),
            namespace: namespace.into(),
            subresource: subresource.into(),
            ..ResourceTarget::default()
        };
        let path = Arc::from("");
        let info = Arc::new(RequestInfo { verb, path, target: Target::Resource(target.clone()) });
        let asked = Asked {
            user: &self.user,
            permit: &self.permit,
            slot: AuditSlot::unrecorded(info.clone()),
            info,
            headers: &self.headers,
            query: Query::default(),
            body: None,
            life: Life::default(),
        };
        Call::new(registry, resource, target, asked)
    }
}
