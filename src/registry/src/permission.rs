//! A stream does not outlive the decision that opened it.

use std::sync::Arc;

use portcullis_api::{RequestInfo, UserInfo};
use portcullis_authz::{Attributes, Chain};
use tokio::time::Instant;

use crate::call::Call;

/// The permission an open stream stands on.
pub(crate) struct Standing {
    chain: Arc<Chain>,
    user: UserInfo,
    info: Arc<RequestInfo>,
    /// The one of the last decision; `None` makes the first look decide, so that no change between the
    /// gate and here is missed.
    generation: Option<u64>,
    ends: Option<Instant>,
}

impl Call<'_> {
    /// The standing of this request, for a stream it opens.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            chain: self.registry.authorizer.clone(),
            user: self.user.clone(),
            info: self.info.clone(),
            generation: None,
            ends: self.credential_ends,
        }
    }
}

impl Standing {
    /// Whether the credential is still good and the permission still given. Costs a decision only when
    /// a policy changed.
    pub(crate) fn holds(&mut self) -> bool {
        if self.ends.is_some_and(|end| Instant::now() >= end) {
            return false;
        }
        let generation = Some(self.chain.generation(&self.user));
        if generation == self.generation {
            return true;
        }
        self.generation = generation;
        self.chain.decide(&self.user, &Attributes::from(&*self.info)).is_allowed()
    }
}
