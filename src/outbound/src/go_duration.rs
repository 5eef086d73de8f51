//! Durations as Go writes them: `300ms`, `1.5h`, `2h45m`.

use std::time::Duration;

/// Reads a duration; `None` for one below zero. The error is Go's own.
pub fn parse(text: &str) -> Result<Option<Duration>, String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Some(Duration::ZERO));
    }
    let invalid = || format!("time: invalid duration {text:?}");
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut left = rest;
    let mut seconds = 0.0_f64;
    while !left.is_empty() {
        let number_end = left.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(left.len());
        let (number, tail) = left.split_at_checked(number_end).ok_or_else(invalid)?;
        let value: f64 = number.parse().map_err(|_| invalid())?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(unit_end).ok_or_else(invalid)?;
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let scale = scale(unit).ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        seconds += value * scale;
        left = after;
    }
    // Go's durations end at 2^63 nanoseconds.
    if seconds > 9_223_372_036.0 {
        return Err(invalid());
    }
    Ok((!negative).then(|| Duration::from_secs_f64(seconds)))
}

fn scale(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let millis = |text: &str| parse(text).map(|d| d.map(|d| d.as_millis()));
        assert_eq!(millis("1m30s"), Ok(Some(90_000)));
        assert_eq!(millis("1.5s"), Ok(Some(1_500)));
        assert_eq!(millis("0"), Ok(Some(0)));
        assert_eq!(millis("-5s"), Ok(None));
        assert_eq!(millis("5"), Err("time: missing unit in duration \"5\"".into()));
        assert_eq!(millis("5d"), Err("time: unknown unit \"d\" in duration \"5d\"".into()));
        for bad in ["", "-", "s", "..s", "99999999999h", "é"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
