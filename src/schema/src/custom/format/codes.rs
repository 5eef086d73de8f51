//! Codes of fixed shape: identifiers, colours, check digits.

use std::sync::LazyLock;

use regex::Regex;

/// `byte`: base64 with its padding. Nothing is no base64.
pub(super) fn base64(text: &str) -> bool {
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let of_alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    !text.is_empty() && text.len().is_multiple_of(4) && body.bytes().all(of_alphabet)
}

/// `bsonobjectid`: twelve bytes in hexadecimal digits.
pub(super) fn object_id(text: &str) -> bool {
    text.len() == 24 && is_hex(text)
}

/// `hexcolor`
pub(super) fn hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && is_hex(digits)
}

/// `rgbcolor`: `rgb(0, 128, 255)`.
pub(super) fn rgb_color(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')')) else { return false };
    let parts: Vec<&str> = inner.split(',').map(|part| part.trim_matches(is_space)).collect();
    parts.len() == 3 && parts.into_iter().all(is_byte)
}

/// A number up to 255 without leading zeros.
fn is_byte(text: &str) -> bool {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0')) && text.parse::<u16>().is_ok_and(|n| n <= 255)
}

/// `ssn`: `123-45-6789`, the separators being blanks or dashes.
pub(super) fn ssn(text: &str) -> bool {
    text.len() == 11
        && text.bytes().enumerate().all(|(place, byte)| match place {
            3 | 6 => matches!(byte, b'-' | b' '),
            _ => byte.is_ascii_digit(),
        })
}

/// `uuid` and its versions, dashes being optional one by one.
pub(super) fn uuid(text: &str, version: Option<u8>) -> bool {
    let mut bytes = text.bytes().peekable();
    for (group, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if group > 0 {
            bytes.next_if_eq(&b'-');
        }
        for place in 0..length {
            let Some(byte) = bytes.next().filter(u8::is_ascii_hexdigit) else { return false };
            let fits = match (group, place, version) {
                (2, 0, Some(version)) => byte == version,
                (3, 0, Some(b'4' | b'5')) => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
                _ => true,
            };
            if !fits {
                return false;
            }
        }
    }
    bytes.next().is_none()
}

/// `mac`: 6, 8 or 20 bytes with colons, dashes, dots between pairs, or nothing.
pub(super) fn mac(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
    let groups = |separator: u8, size: usize| {
        let mut groups = bytes.split(|byte| *byte == separator);
        groups.all(|group| group.len() == size && hex(group))
    };
    let (whole, count) = match (bytes.get(2), bytes.get(4)) {
        (Some(separator @ (b':' | b'-')), _) => (groups(*separator, 2), (bytes.len() + 1) / 3),
        (_, Some(b'.')) => (groups(b'.', 4), 2 * (bytes.len() + 1) / 5),
        _ => (hex(bytes) && bytes.len().is_multiple_of(2), bytes.len() / 2),
    };
    whole && matches!(count, 6 | 8 | 20)
}

/// `isbn10`
pub(super) fn isbn10(text: &str) -> bool {
    let bytes = without_separators(text);
    if bytes.len() != 10 {
        return false;
    }
    let digit = |(place, byte): (usize, &u8)| match (place, byte) {
        (9, b'X') => Some(10),
        (_, b'0'..=b'9') => Some(usize::from(byte - b'0')),
        _ => None,
    };
    let digits: Option<Vec<usize>> = bytes.iter().enumerate().map(digit).collect();
    digits.is_some_and(|digits| {
        digits.iter().enumerate().map(|(place, digit)| (place + 1) * digit).sum::<usize>().is_multiple_of(11)
    })
}

/// `isbn13`
pub(super) fn isbn13(text: &str) -> bool {
    let bytes = without_separators(text);
    let weighed = |(place, byte): (usize, &u8)| usize::from(byte - b'0') * if place % 2 == 0 { 1 } else { 3 };
    bytes.len() == 13
        && bytes.iter().all(u8::is_ascii_digit)
        && bytes.iter().enumerate().map(weighed).sum::<usize>().is_multiple_of(10)
}

fn without_separators(text: &str) -> Vec<u8> {
    text.chars().filter(|c| !is_space(*c) && *c != '-').map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

static CARD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}\
         |3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$",
    )
    .ok()
});

/// `creditcard`: the digits are those of a known issuer, and their check sum is right.
pub(super) fn credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let doubled = |digit: u32| if digit >= 5 { digit * 2 - 9 } else { digit * 2 };
    let digit = |(place, byte): (usize, u8)| {
        let digit = u32::from(byte.saturating_sub(b'0'));
        if place % 2 == 1 { doubled(digit) } else { digit }
    };
    CARD.as_ref().is_some_and(|card| card.is_match(&digits))
        && digits.bytes().rev().enumerate().map(digit).sum::<u32>().is_multiple_of(10)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A blank as Go's patterns know it.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}
