//! Wall clock times as the API writes them. The one place that reads the clock for objects.

use jiff::{Timestamp, Unit};

/// Now, with second precision: `metav1.Time`.
pub fn now_rfc3339() -> String {
    seconds(Timestamp::now())
}

/// A time with second precision: `metav1.Time`.
pub fn seconds(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    whole.to_string()
}

/// A time with microseconds, always six digits: `metav1.MicroTime`.
pub fn micros(time: Timestamp) -> String {
    let rounded = time.round(Unit::Microsecond).unwrap_or(time);
    format!("{rounded:.6}")
}

/// Reads an RFC 3339 time.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_precision_their_type_has() {
        let time = Timestamp::from_microsecond(1_600_000_000_000_100).unwrap();
        assert_eq!(seconds(time), "2020-09-13T12:26:40Z");
        assert_eq!(micros(time), "2020-09-13T12:26:40.000100Z");
    }
}
