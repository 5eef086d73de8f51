//! Floating point numbers as Go writes them.

use serde_json::Number;

/// A number without a fraction is written as a whole one, as far as those go.
pub(crate) fn of_float(value: f64) -> Option<Number> {
    const TOO_LARGE: f64 = 9.2e18;
    if value.fract() == 0.0 && value.abs() < TOO_LARGE {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within i64, hence exact")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}
