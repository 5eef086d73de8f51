//! Wall clock times as the API writes them. The one place that reads the clock for objects.

use jiff::Timestamp;

/// Now, with second precision: `metav1.Time`.
pub fn now_rfc3339() -> String {
    seconds(Timestamp::now())
}

/// A time with second precision: `metav1.Time`. What is finer is cut off.
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(floor(time).0).unwrap_or(time).to_string()
}

/// A time with microseconds, always six digits: `metav1.MicroTime`. What is finer is cut off.
pub fn micros(time: Timestamp) -> String {
    let micros = time.as_nanosecond().div_euclid(1000);
    let whole = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    format!("{:.6}", whole.unwrap_or(time))
}

/// The second a time is in, and the nanoseconds since that second began.
pub fn floor(time: Timestamp) -> (i64, u32) {
    match u32::try_from(time.subsec_nanosecond()) {
        Ok(nanos) => (time.as_second(), nanos),
        Err(_) => {
            (time.as_second() - 1, time.subsec_nanosecond().wrapping_add(1_000_000_000).cast_unsigned())
        }
    }
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

    #[test]
    fn parts_of_a_second_are_cut_off_before_1970_too() {
        let time = parse("1969-12-31T23:59:58.1234569Z").unwrap();
        assert_eq!(seconds(time), "1969-12-31T23:59:58Z");
        assert_eq!(micros(time), "1969-12-31T23:59:58.123456Z");
        assert_eq!(floor(time), (-2, 123_456_900));
    }
}
