//! The way in for parts of this process: the same stack, another connection fact.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_api::Body;
use portcullis_pki::{InProcessIdentity, Peer};
use tower::{Service, ServiceExt};

use crate::arrival::{Connection, Raw};
use crate::stack::Api;

/// A handle that speaks to the server without a socket, as the identity it was made for.
#[derive(Clone)]
pub struct InProcess {
    api: Api,
    identity: InProcessIdentity,
}

impl InProcess {
    pub(crate) fn new(api: Api, identity: InProcessIdentity) -> Self {
        Self { api, identity }
    }
}

impl Service<Request<Body>> for InProcess {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = Connection { peer: Peer::InProcess(self.identity.clone()), source: None };
        Box::pin(self.api.clone().oneshot(Raw { request, connection }))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("identity", &self.identity).finish_non_exhaustive()
    }
}
