//! Numbers between their types and as text.

/// The whole part, if it fits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub(crate) fn int_from_double(value: f64) -> Option<i64> {
    let limit = 2.0_f64.powi(63);
    (value > -limit && value < limit).then_some(value as i64)
}

/// The whole part, if it fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
pub(crate) fn uint_from_double(value: f64) -> Option<u64> {
    (value >= 0.0 && value < 2.0_f64.powi(64)).then_some(value as u64)
}

/// A number as Go's `%g` writes it with as many digits as it needs.
pub(crate) fn go_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.unsigned_abs());
    }
    format!("{value}")
}

/// Nanoseconds as seconds with an `s`.
pub(crate) fn seconds_text(nanos: i64) -> String {
    let (whole, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    let sign = if nanos < 0 { "-" } else { "" };
    let fraction = format!("{rest:09}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}s") } else { format!("{sign}{whole}.{fraction}s") }
}
