//! A stream does not outlive the decision that opened it.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::{RequestInfo, UserInfo};
use portcullis_authn::Life;
use portcullis_authz::{Attributes, Chain};

use crate::call::Call;

/// The permission an open stream stands on.
pub(crate) struct Standing {
    chain: Arc<Chain>,
    user: UserInfo,
    info: Arc<RequestInfo>,
    /// The one of the last decision; `None` makes the first look decide, so that no change between the
    /// gate and here is missed.
    generation: Option<u64>,
    life: Life,
}

impl Call<'_> {
    /// The standing of this request, for a stream it opens.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            chain: self.registry.authorizer.clone(),
            user: self.user.clone(),
            info: self.info.clone(),
            generation: None,
            life: self.life.clone(),
        }
    }
}

impl Standing {
    /// Whether the credential is still good and the permission still given. Costs a decision only when
    /// a policy changed.
    pub(crate) fn holds(&mut self) -> bool {
        if !self.life.holds(Timestamp::now()) {
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
