//! When a call that failed is made again.

use std::time::Duration;

use rand::Rng as _;

/// How often, and after how long. The pauses grow by half each time and are drawn out by up to a fifth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// How many calls are made at most.
    pub calls: u32,
}

impl Backoff {
    /// Upstream's: five calls, half a second between the first two.
    pub const UPSTREAM: Self = Self { first: Duration::from_millis(500), calls: 5 };

    /// One call and no other.
    pub const ONCE: Self = Self { first: Duration::ZERO, calls: 1 };

    /// The pause after the `made`th call (from 1); `None` when there is no other.
    pub(crate) fn pause(self, made: u32) -> Option<Duration> {
        if made >= self.calls {
            return None;
        }
        let grown = self.first.mul_f64(1.5_f64.powi(i32::try_from(made.min(32)).unwrap_or(32) - 1));
        Some(grown.mul_f64(1.0 + rand::rng().random_range(0.0..0.2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let upstream = Backoff::UPSTREAM;
        let between = |made, low: u64, high: u64| {
            let pause = upstream.pause(made).unwrap().as_millis();
            assert!((u128::from(low)..=u128::from(high)).contains(&pause), "{pause}");
        };
        between(1, 500, 600);
        between(2, 750, 900);
        between(4, 1687, 2026);
        assert_eq!(upstream.pause(5), None);
        assert_eq!(Backoff::ONCE.pause(1), None);
    }
}
