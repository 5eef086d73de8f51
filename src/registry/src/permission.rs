//! A stream does not outlive the decision that opened it.

use std::sync::Arc;
use std::time::Instant;

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
    /// When webhooks that the last decision rests on are to be asked again.
    until: Option<Instant>,
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
            until: None,
            life: self.life.clone(),
        }
    }
}

impl Standing {
    /// Whether the credential is still good and the permission still given. Costs a decision only when
    /// a policy changed, or what a webhook said has grown old.
    pub(crate) async fn holds(&mut self) -> bool {
        if !self.life.holds(Timestamp::now()) {
            return false;
        }
        let generation = Some(self.chain.generation(&self.user));
        let old = self.until.is_some_and(|until| until <= Instant::now());
        if generation == self.generation && !old {
            return true;
        }
        self.generation = generation;
        let receipt = self.chain.settle(&self.user, &Attributes::from(&*self.info)).await;
        self.until = receipt.good_for().and_then(|time| Instant::now().checked_add(time));
        receipt.is_allowed()
    }
}
