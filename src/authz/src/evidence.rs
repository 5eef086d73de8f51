//! What a request has proved after each gate of this crate.
//!
//! None of these can be made outside: a request that skips a gate does not compile.
//! ```compile_fail
//! fn skip(request: portcullis_authn::Authenticated) -> portcullis_authz::Seated {
//!     portcullis_authz::Seated::assertion(request)
//! }
//! ```
//! ```compile_fail
//! fn copy(one: &portcullis_authz::Authorized) -> portcullis_authz::Authorized {
//!     one.clone()
//! }
//! ```
//! A handler that wants an authorized request takes nothing less:
//! ```compile_fail
//! fn handler(_: portcullis_authz::Authorized) {}
//! fn call(request: portcullis_authz::Effective) {
//!     handler(request)
//! }
//! ```

use std::sync::Arc;

use http::request::Parts;
use portcullis_api::{Body, RequestInfo, UserInfo};
use portcullis_audit::{AuditSlot, HasSlot};
use portcullis_authn::{Attributed, Life};

use crate::permit::Permit;

/// Proof that it is settled whose rights count: the sender's, or those of a user the sender may be.
#[derive(Debug)]
pub struct Effective {
    request: Attributed,
    user: UserInfo,
    requestor: Option<UserInfo>,
    life: Life,
}

impl Effective {
    /// Sound because the gate asked the chain for every part of an impersonated user; without
    /// impersonation `user` is the authenticated one and `requestor` is `None`.
    pub(crate) fn assertion(
        request: Attributed,
        user: UserInfo,
        requestor: Option<UserInfo>,
        life: Life,
    ) -> Self {
        Self { request, user, requestor, life }
    }

    /// Whose rights count.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// Who sent the request, where that is somebody else.
    pub fn requestor(&self) -> Option<&UserInfo> {
        self.requestor.as_ref()
    }

    /// What is asked.
    pub fn info(&self) -> &Arc<RequestInfo> {
        &self.request.info
    }
}

impl HasSlot for Effective {
    fn slot(&self) -> &AuditSlot {
        &self.request.slot
    }
}

/// Proof that the request had its turn.
#[derive(Debug)]
pub struct Seated {
    effective: Effective,
}

impl Seated {
    /// Sound because the gate holds the seat for as long as the request is served.
    pub(crate) fn assertion(effective: Effective) -> Self {
        Self { effective }
    }

    /// Whose rights count.
    pub fn user(&self) -> &UserInfo {
        &self.effective.user
    }

    /// What is asked.
    pub fn info(&self) -> &Arc<RequestInfo> {
        &self.effective.request.info
    }
}

impl HasSlot for Seated {
    fn slot(&self) -> &AuditSlot {
        &self.effective.request.slot
    }
}

/// Proof that the user may do what is asked.
#[derive(Debug)]
pub struct Authorized {
    request: Attributed,
    permit: Permit,
    requestor: Option<UserInfo>,
    life: Life,
}

impl Authorized {
    /// Sound because the permit was decided for this very request.
    pub(crate) fn assertion(seated: Seated, permit: Permit) -> Self {
        let Effective { request, user: _, requestor, life } = seated.effective;
        Self { request, permit, requestor, life }
    }

    /// Who may do it.
    pub fn user(&self) -> &UserInfo {
        self.permit.user()
    }

    /// Who sent the request, where that is somebody else.
    pub fn requestor(&self) -> Option<&UserInfo> {
        self.requestor.as_ref()
    }

    /// What is asked.
    pub fn info(&self) -> &Arc<RequestInfo> {
        &self.request.info
    }

    /// The head of the request.
    pub fn parts(&self) -> &Parts {
        &self.request.parts
    }

    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The life of the credential; streams end with it.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// The same request with its body read through something.
    #[must_use]
    pub fn map_body(mut self, through: impl FnOnce(Body) -> Body) -> Self {
        self.request.body = through(self.request.body);
        self
    }

    /// The request's body.
    pub fn body(&self) -> &Body {
        &self.request.body
    }

    /// Gives the proof up for what the handler works with.
    pub fn into_request(self) -> (Parts, Body, AuditSlot, Permit) {
        let Attributed { parts, body, slot, .. } = self.request;
        (parts, body, slot, self.permit)
    }
}

impl HasSlot for Authorized {
    fn slot(&self) -> &AuditSlot {
        &self.request.slot
    }
}
