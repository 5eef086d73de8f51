//! What plain scalars mean in YAML 1.1, as go-yaml v2 resolves them.

use portcullis_api::Value;
use serde_json::Number;

/// The value of a plain scalar; an error for what JSON has no word for.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("json: unsupported value: +Inf".to_owned());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".to_owned()),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

/// Whether a text, written plainly, would be read as something else than itself.
pub(super) fn is_special(text: &str) -> bool {
    text == "<<" || is_timestamp(text) || !matches!(resolve(text), Ok(Value::String(_)))
}

/// Whether a text is a date or a time: `2006-1-2`, `2006-1-2T15:4:5Z`, `2006-1-2 15:4:5`.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let clock = match time {
        Some(time) if text.contains(['T', 't']) => {
            time.strip_suffix('Z').or_else(|| without_zone(time)).map(Some)
        }
        time => Some(time),
    };
    is_date(date) && clock.is_some_and(|clock| clock.is_none_or(is_clock))
}

fn is_date(date: &str) -> bool {
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let in_year = matches!(month.parse(), Ok(1..=12)) && matches!(day.parse(), Ok(1..=31));
    year.len() == 4 && is_number(year, 4) && is_number(month, 2) && is_number(day, 2) && in_year
}

fn is_clock(clock: &str) -> bool {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    is_number(fraction, 9) && clock.split(':').count() == 3 && clock.split(':').all(|part| is_number(part, 2))
}

fn is_number(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A time of day without its zone `+01:00`.
fn without_zone(time: &str) -> Option<&str> {
    let (clock, zone) = time.split_at_checked(time.len().checked_sub(6)?)?;
    let zone = zone.strip_prefix(['+', '-'])?;
    let digits =
        zone.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() });
    digits.then_some(clock)
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Some(integer);
    }
    if !is_float(&plain) {
        return None;
    }
    // Out of range: go-yaml leaves it a string.
    plain.parse().ok().and_then(crate::number::of_float)
}

/// An integer as Go reads it with base 0: decimal, `0x`, `0b`, `0o` or a leading zero for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (radix, digits) = radix(digits);
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    i64::try_from(value).map(Number::from).ok().or_else(|| u64::try_from(value).map(Number::from).ok())
}

fn radix(digits: &str) -> (u32, &str) {
    let mut rest = digits.chars();
    match (rest.next(), rest.next()) {
        (Some('0'), Some('x' | 'X')) => (16, rest.as_str()),
        (Some('0'), Some('b' | 'B')) => (2, rest.as_str()),
        (Some('0'), Some('o' | 'O')) => (8, rest.as_str()),
        (Some('0'), Some(_)) => (8, digits.trim_start_matches('0')),
        _ => (10, digits),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    mantissa_fits && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_1_says() {
        for (text, value) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("0x1F", json!(31)),
            ("0777", json!(511)),
            ("0o17", json!(15)),
            ("1_000", json!(1000)),
            ("-12", json!(-12)),
            ("1e3", json!(1000)),
            ("1.50", json!(1.5)),
            ("08", json!(8)),
            ("9007199254740993", json!(9_007_199_254_740_993_i64)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.2.3", json!("1.2.3")),
            ("2020-01-01", json!("2020-01-01")),
            ("tRue", json!("tRue")),
            ("1e400", json!("1e400")),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("10.0.0.1", json!("10.0.0.1")),
        ] {
            assert_eq!(resolve(text), Ok(value), "{text}");
        }
        assert_eq!(resolve(".inf").unwrap_err(), "json: unsupported value: +Inf");
    }
}
