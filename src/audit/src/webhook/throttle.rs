//! How many lists are sent in a time: a bucket of tokens.

use std::time::{Duration, Instant};

/// So many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// The average rate a second.
    pub rate: f32,
    /// How many at once when none were sent for a while.
    pub burst: u32,
}

impl Throttle {
    /// Upstream's default.
    pub const UPSTREAM: Self = Self { rate: 10.0, burst: 15 };
}

/// The bucket.
pub(super) struct Bucket {
    throttle: Throttle,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(throttle: Throttle) -> Self {
        Self { throttle, tokens: f64::from(throttle.burst), filled: Instant::now() }
    }

    /// Takes a token; the pause until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let rate = f64::from(self.throttle.rate).max(f64::MIN_POSITIVE);
        let came = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + came).min(f64::from(self.throttle.burst));
        self.filled = now;
        self.tokens -= 1.0;
        // A pause that has no end is as good as a long one.
        Duration::try_from_secs_f64((-self.tokens).max(0.0) / rate).unwrap_or(Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Throttle { rate: 10.0, burst: 3 });
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Duration::ZERO);
        }
        assert_eq!(bucket.take(start).as_millis(), 100);
        assert_eq!(bucket.take(start + Duration::from_millis(100)).as_millis(), 100);
        assert_eq!(
            bucket.take(start + Duration::from_secs(60)),
            Duration::ZERO,
            "full again, and not fuller"
        );
    }
}
