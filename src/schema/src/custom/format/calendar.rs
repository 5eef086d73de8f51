//! Dates, times and durations.

/// `date`: `2006-01-02`.
pub(super) fn date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shaped && text.parse::<jiff::civil::Date>().is_ok()
}

/// `date-time`: a date, `T` and a time with its offset. Hours, minutes and seconds are only compared as
/// texts, and what follows a second `T` is not looked at, as upstream does it.
pub(super) fn date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(day), Some(time)) = (parts.next(), parts.next()) else { return false };
    date(day) && time_of_day(time)
}

fn time_of_day(time: &str) -> bool {
    let Some((clock, rest)) = time.split_at_checked(8) else { return false };
    let mut fields = clock.split(':');
    let in_range = |field: Option<&str>, max: &str| {
        field.is_some_and(|it| it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit()) && it <= max)
    };
    let clock = in_range(fields.next(), "23")
        && in_range(fields.next(), "59")
        && in_range(fields.next(), "59")
        && fields.next().is_none();
    clock && (offset(rest) || fraction(rest).is_some_and(offset))
}

/// What follows a fraction, which any character may start.
fn fraction(rest: &str) -> Option<&str> {
    let mut chars = rest.chars();
    chars.next().filter(|first| *first != '\n')?;
    let digits = chars.as_str();
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < digits.len()).then_some(rest)
}

fn offset(text: &str) -> bool {
    if text == "z" {
        return true;
    }
    let bytes = text.as_bytes();
    bytes.len() == 6
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            0 => matches!(byte, b'+' | b'-'),
            3 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

/// `duration`: as Go writes it (`1h30m`), or numbers with words for units somewhere in the text.
pub(super) fn duration(text: &str) -> bool {
    go_duration(text) || worded_duration(text)
}

const NANOS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

fn go_duration(text: &str) -> bool {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return true;
    }
    let end = if negative { 1_u64 << 63 } else { i64::MAX.unsigned_abs() };
    let mut total = 0_u64;
    let some = !rest.is_empty();
    while !rest.is_empty() {
        let Some((nanos, after)) = go_part(rest) else { return false };
        match total.checked_add(nanos) {
            Some(sum) if sum <= 1 << 63 => total = sum,
            _ => return false,
        }
        rest = after;
    }
    some && total <= end
}

/// A number with its unit, in nanoseconds, and what follows it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of the unit")]
#[expect(clippy::cast_precision_loss, reason = "upstream computes in floats too")]
fn go_part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_len = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit_len)?;
    let (_, unit) = NANOS.iter().find(|(name, _)| *name == unit)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part = format!("0.{fraction}0").parse::<f64>().unwrap_or_default() * *unit as f64;
    let nanos = whole.checked_mul(*unit)?.checked_add(part as u64)?;
    (nanos <= 1 << 63).then_some((nanos, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Units in words; the last of each may go on (`hours`).
const WORDS: [&[&str]; 8] = [
    &["ns", "nano"],
    &["us", "µs", "micro"],
    &["ms", "milli"],
    &["s", "sec"],
    &["m", "min"],
    &["h", "hr", "hour"],
    &["d", "day"],
    &["w", "wk", "week"],
];

/// Looks for numbers with units anywhere. One too large for a number spoils all.
fn worded_duration(text: &str) -> bool {
    let mut rest = text;
    let mut some = false;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (number, after) = digits(rest.get(start..).unwrap_or_default());
        let spaced = after.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        let end = spaced.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(spaced.len());
        let (unit, next) = spaced.split_at_checked(end).unwrap_or((spaced, ""));
        if unit.is_empty() {
            rest = after;
            continue;
        }
        if number.parse::<i64>().is_err() {
            return false;
        }
        some |= is_unit(&unit.to_lowercase());
        rest = next;
    }
    some
}

fn is_unit(unit: &str) -> bool {
    WORDS.iter().any(|names| names.contains(&unit) || names.last().is_some_and(|last| unit.starts_with(last)))
}
