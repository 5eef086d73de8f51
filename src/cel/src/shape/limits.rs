//! How large data can be that fits in one request, and how small it can be written.

/// The largest request that the bounds are made for.
pub(crate) const LARGEST_REQUEST: u64 = 3 * 1024 * 1024;
/// The longest text that fits between quotes.
pub(super) const LONGEST_TEXT: u64 = LARGEST_REQUEST - 2;
/// The longest duration with its quotes.
pub(super) const LONGEST_DURATION: u64 = 32;
/// The longest moment with its quotes.
pub(super) const LONGEST_DATE_TIME: u64 = 32;
/// `"0s"`, or `0` in quotes.
pub(super) const DURATION: u64 = 3;
/// A day with its quotes.
pub(super) const DATE: u64 = 12;
/// The shortest moment with its quotes.
pub(super) const DATE_TIME: u64 = 21;
/// `""`
pub(super) const TEXT: u64 = 2;
/// `true`
pub(super) const BOOL: u64 = 4;
/// `0`
pub(super) const NUMBER: u64 = 1;
/// `[]` or `{}`
pub(super) const EMPTY: u64 = 2;

pub(super) fn not_negative(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(super) fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Octets in a text of so many code points.
pub(super) fn text(longest: Option<i64>) -> u64 {
    longest.map_or(LONGEST_TEXT, |longest| not_negative(longest).saturating_mul(4))
}

/// Elements of a list.
pub(super) fn list(element: u64) -> u64 {
    LONGEST_TEXT / element.saturating_add(1)
}

/// Entries of a map.
pub(super) fn map(value: u64) -> u64 {
    LONGEST_TEXT / value.saturating_add(6)
}
