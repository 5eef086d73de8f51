//! Answers that are good for a while: at most so many, the one unused for longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::Outcome;
use super::review::Key;

/// As many as upstream keeps.
const MOST: usize = 8_192;

/// The answers of one webhook.
#[derive(Default)]
pub(super) struct Kept {
    entries: HashMap<Key, Entry>,
    /// Keys by when they were used last.
    order: BTreeMap<u64, Key>,
    clock: u64,
}

struct Entry {
    outcome: Outcome,
    until: Instant,
    used: u64,
}

impl Kept {
    /// The answer to a question, if it is still good.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<Outcome> {
        let entry = self.entries.get_mut(key)?;
        if entry.until <= now {
            let used = entry.used;
            self.entries.remove(key);
            self.order.remove(&used);
            return None;
        }
        self.clock = self.clock.wrapping_add(1);
        self.order.remove(&entry.used);
        self.order.insert(self.clock, *key);
        entry.used = self.clock;
        Some(entry.outcome.clone())
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, key: Key, outcome: Outcome, now: Instant, ttl: Duration) {
        let Some(until) = now.checked_add(ttl) else { return };
        self.clock = self.clock.wrapping_add(1);
        let before = self.entries.insert(key, Entry { outcome, until, used: self.clock });
        if let Some(before) = before {
            self.order.remove(&before.used);
        }
        self.order.insert(self.clock, key);
        if self.entries.len() > MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        Key(key)
    }

    fn answer() -> Outcome {
        Outcome::Answered { allowed: true, denied: false, reason: "".into() }
    }

    #[test]
    fn an_answer_is_good_until_its_time_is_over() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.keep(key(1), answer(), now, Duration::from_secs(5));
        assert!(kept.find(&key(1), now + Duration::from_secs(4)).is_some());
        assert!(kept.find(&key(1), now + Duration::from_secs(5)).is_none());
        assert!(kept.entries.is_empty() && kept.order.is_empty());
    }

    #[test]
    fn the_one_unused_for_longest_makes_room() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for n in 0..8_192 {
            kept.keep(key(n), answer(), now, Duration::from_secs(5));
        }
        assert!(kept.find(&key(0), now).is_some());
        kept.keep(key(9_000), answer(), now, Duration::from_secs(5));
        kept.keep(key(9_000), answer(), now, Duration::from_secs(5));
        assert_eq!((kept.entries.len(), kept.order.len()), (MOST, MOST));
        assert!(kept.find(&key(0), now).is_some() && kept.find(&key(9_000), now).is_some());
        assert!(kept.find(&key(1), now).is_none());
    }
}
