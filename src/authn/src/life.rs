//! Until when a credential holds: streams that it opened are asked again and again.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_pki::{PresentedChain, Purpose};

/// Knows whether a credential that was good still is: not revoked, its authority still trusted.
pub trait StillGood: Send + Sync + 'static {
    /// Whether it is. Asked often: it must be cheap.
    fn is_good(&self, now: Timestamp) -> bool;
}

/// The life of a credential: an end in time, if it has one, and whatever may end it before.
#[derive(Clone, Default)]
pub struct Life {
    ends: Option<Timestamp>,
    proof: Option<Arc<dyn StillGood>>,
}

impl Life {
    /// A life that ends in time, or never.
    pub fn until(ends: Option<Timestamp>) -> Self {
        Self { ends, proof: None }
    }

    /// A life that may also be cut short.
    #[must_use]
    pub fn while_good(self, proof: Arc<dyn StillGood>) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// Its end in time.
    pub fn ends(&self) -> Option<Timestamp> {
        self.ends
    }

    /// Whether the credential still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|end| now < end) && self.proof.as_ref().is_none_or(|proof| proof.is_good(now))
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// A user's certificate lives while an authority of ours vouches for it and no list revokes it.
impl StillGood for PresentedChain {
    fn is_good(&self, now: Timestamp) -> bool {
        self.verified(Purpose::User, now).is_ok()
    }
}

/// What a front proxy said lives as long as its own certificate.
pub(crate) struct Proxied(pub(crate) Arc<PresentedChain>);

impl StillGood for Proxied {
    fn is_good(&self, now: Timestamp) -> bool {
        self.0.verified(Purpose::FrontProxy, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Switch(AtomicBool);

    impl StillGood for Switch {
        fn is_good(&self, _now: Timestamp) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_life_ends_in_time_or_before() {
        let now = Timestamp::now();
        assert!(Life::until(None).holds(now));
        assert!(!Life::until(Some(now)).holds(now));
        let switch = Arc::new(Switch(AtomicBool::new(true)));
        let life = Life::until(None).while_good(switch.clone());
        assert!(life.holds(now));
        switch.0.store(false, Ordering::Relaxed);
        assert!(!life.holds(now));
    }
}
