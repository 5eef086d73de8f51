//! Whether what clients were told is explained by one order of the writes. Shared by the tests of the store and
//! those of the program.
//!
//! Every write has a revision, so the order is known and need not be searched for: it is checked that revisions
//! rise in real time, and that reads return the newest value as of some revision between the read's begin and
//! its end.

use std::collections::BTreeMap;

/// What a client did, with the moments it began and ended at.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) key: String,
    pub(crate) what: What,
}

/// A write or a read. A write whose answer never came ended at no moment: `u64::MAX`.
#[derive(Debug)]
pub(crate) enum What {
    Wrote { revision: u64, value: Option<String> },
    Read { value: Option<String> },
}

impl Done {
    /// The revision it wrote, if it wrote.
    pub(crate) fn wrote(&self) -> Option<u64> {
        match self.what {
            What::Wrote { revision, .. } => Some(revision),
            What::Read { .. } => None,
        }
    }
}

/// Every version of a key: from which revision on it was what.
type Versions<'h> = BTreeMap<&'h str, BTreeMap<u64, Option<&'h String>>>;

/// Fails if there is no such order. `start` is a revision from before the first of them, when no key was there.
pub(crate) fn check(history: &[Done], start: u64) {
    let mut versions = Versions::new();
    for done in history {
        if let What::Wrote { revision, value } = &done.what {
            let before = versions.entry(&done.key).or_default().insert(*revision, value.as_ref());
            assert!(before.is_none(), "two writes at revision {revision}");
        }
    }
    for done in history {
        // Everything that had ended before this began comes before it.
        let earlier = history.iter().filter(|other| other.ended < done.begun);
        let past = earlier.filter_map(Done::wrote).max().unwrap_or(start);
        match &done.what {
            What::Wrote { revision, .. } => assert!(*revision > past, "{done:?} after {past}"),
            What::Read { value } => {
                let later = history.iter().filter(|other| other.begun > done.ended);
                let after = later.filter_map(Done::wrote).min().unwrap_or(u64::MAX);
                let known = versions.get(&*done.key).cloned().unwrap_or_default();
                let at_begin = known.range(..=past).next_back().and_then(|(_, value)| *value);
                let meanwhile = known.range(past + 1..after).map(|(_, value)| *value);
                let mut allowed = std::iter::once(at_begin).chain(meanwhile);
                assert!(
                    allowed.any(|allowed| allowed == value.as_ref()),
                    "{done:?} between {past} and {after}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(begun: u64, ended: u64, revision: u64, value: &str) -> Done {
        let what = What::Wrote { revision, value: Some(value.to_owned()) };
        Done { begun, ended, key: "k".to_owned(), what }
    }

    fn read(begun: u64, ended: u64, value: Option<&str>) -> Done {
        Done { begun, ended, key: "k".to_owned(), what: What::Read { value: value.map(str::to_owned) } }
    }

    #[test]
    fn a_history_with_an_order_is_accepted() {
        check(&[wrote(0, 1, 5, "a"), read(2, 6, Some("b")), wrote(3, 4, 6, "b"), read(7, 8, Some("b"))], 1);
        check(&[wrote(0, u64::MAX, 5, "a"), read(2, 3, None), read(4, 5, Some("a"))], 1);
    }

    #[test]
    #[should_panic(expected = "between 5 and")]
    fn a_read_of_the_past_is_found() {
        check(&[wrote(0, 1, 5, "a"), read(2, 3, None)], 1);
    }

    #[test]
    #[should_panic(expected = "after 6")]
    fn a_write_before_one_that_had_ended_is_found() {
        check(&[wrote(0, 1, 6, "a"), wrote(2, 3, 5, "b")], 1);
    }
}
