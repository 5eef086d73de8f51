//! Lifetimes as people write them: `90m`, `8h`, `30d`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;
use portcullis_registry::EVENT_TTL;

use super::Failure;

/// Reads a duration as upstream's flags take it: `5m0s`, `300ms`, or 0.
pub(crate) fn go(flag: &str, text: &str) -> Result<Duration, Failure> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| Failure::new(format!("{flag} {text:?} is not a duration")).fix("write it like 5m0s"))
}

/// How long events are kept; zero is for ever.
pub(crate) fn of_events(text: Option<&str>) -> Result<Duration, Failure> {
    let ttl = text.map_or(Ok(EVENT_TTL), |text| go("--event-ttl", text))?;
    // Leases are of whole seconds; less than one would be none.
    if ttl.subsec_nanos() != 0 {
        return Err(Failure::new("--event-ttl is no whole number of seconds").fix("write it like 1h0m0s"));
    }
    Ok(ttl)
}

/// Reads a lifetime; it is longer than nothing.
pub(crate) fn parse(text: &str) -> Result<SignedDuration, String> {
    let bad = || format!("{text:?} is no lifetime; write it like 90m, 8h or 30d");
    let mut seconds = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (digits, tail) = rest.split_at_checked(unit_at).ok_or_else(bad)?;
        let mut chars = tail.chars();
        let unit = match chars.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => return Err(bad()),
        };
        let count: i64 = digits.parse().map_err(|_| bad())?;
        seconds = count.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(bad)?;
        rest = chars.as_str();
    }
    if seconds == 0 { Err(bad()) } else { Ok(SignedDuration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, seconds) in [("90s", 90), ("8h", 28_800), ("1h30m", 5_400), ("30d", 2_592_000)] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_upstream_writes_them() {
        assert_eq!(go("--x", "5m0s").unwrap(), Duration::from_secs(300));
        assert_eq!(go("--x", "0").unwrap(), Duration::ZERO);
        assert!(go("--x", "soon").is_err() && go("--x", "-5m").is_err());
    }

    #[test]
    fn events_are_kept_for_whole_seconds() {
        assert_eq!(of_events(None).unwrap(), EVENT_TTL);
        assert_eq!(of_events(Some("0")).unwrap(), Duration::ZERO);
        assert_eq!(of_events(Some("2h")).unwrap(), Duration::from_secs(7200));
        assert!(of_events(Some("1500ms")).is_err() && of_events(Some("1")).is_err());
    }

    #[test]
    fn what_is_no_lifetime_is_refused() {
        for text in [
            "",
            "0h",
            "8",
            "h",
            "-1h",
            "8 h",
            "1w",
            "8h5",
            "99999999999999999999d",
            "9223372036854775807d",
            "8ħ",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
