//! The store's clock.

use std::fmt;

/// A revision of the whole store: every committed transaction takes the next one.
///
/// An empty store is at revision 1, so the first write is revision 2, as in etcd. Zero is "unset".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision no store is ever at; what an absent `resourceVersion` or "0" stands for.
    pub const UNSET: Self = Self(0);
    /// The revision of a store nothing was ever written to.
    pub const FIRST: Self = Self(1);

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Whether this is [`Self::UNSET`].
    pub fn is_unset(self) -> bool {
        self.0 == 0
    }

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl From<u64> for Revision {
    fn from(number: u64) -> Self {
        Self(number)
    }
}
