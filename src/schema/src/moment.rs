//! Moments by the clock and calendar of UTC, of all years that the API can write.
//!
//! Clocks end a day before the last year does, since every zone's time must be a date; what objects say may be later.

use jiff::SignedDuration;
use jiff::civil::{DateTime, datetime};

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);

/// A moment as `metav1.Time` writes it.
pub(crate) fn seconds(moment: DateTime) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment as `metav1.MicroTime` writes it. What is finer is cut off.
pub(crate) fn micros(moment: DateTime) -> String {
    let micros = moment.subsec_nanosecond() / 1000;
    format!("{}.{micros:06}Z", moment.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Reads a moment in either of these forms.
pub(crate) fn parse(text: &str) -> Option<DateTime> {
    text.strip_suffix('Z')?.parse().ok()
}

/// Seconds since 1970, and nanoseconds that count forward from there, before 1970 too.
pub(crate) fn since_1970(moment: DateTime) -> (i64, u32) {
    let nanos = u32::try_from(moment.subsec_nanosecond()).unwrap_or_default();
    let whole = moment.duration_since(EPOCH) - SignedDuration::from_nanos(nanos.into());
    (whole.as_secs(), nanos)
}

/// The moment so long after 1970.
pub(crate) fn of(seconds: i64, nanos: i32) -> Option<DateTime> {
    let after = SignedDuration::from_secs(seconds).checked_add(SignedDuration::from_nanos(nanos.into()))?;
    EPOCH.checked_add(after).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_from_their_numbers() {
        for text in
            ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z", "1969-12-31T23:59:58.123456Z"]
        {
            let moment = parse(text).unwrap();
            let (seconds, nanos) = since_1970(moment);
            assert_eq!(of(seconds, nanos.cast_signed()), Some(moment));
            assert_eq!(micros(moment), text);
        }
        assert_eq!(since_1970(parse("1969-12-31T23:59:58.123456Z").unwrap()), (-2, 123_456_000));
        assert_eq!(seconds(of(253_402_300_799, 0).unwrap()), "9999-12-31T23:59:59Z");
        assert_eq!(of(253_402_300_800, 0), None);
        assert_eq!(of(i64::MAX, i32::MAX), None);
    }
}
