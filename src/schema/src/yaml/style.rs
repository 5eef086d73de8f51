//! How a text is written in YAML: plain, quoted, or as a block.

use serde_json::Number;

use super::scalar;

/// The way a text is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// The style of a value.
pub(super) fn of(text: &str) -> Style {
    if text.contains('\n') {
        return if fits_block(text) { Style::Literal } else { Style::Double };
    }
    of_line(text)
}

/// The style of a key.
pub(super) fn of_key(text: &str) -> Style {
    if text.contains('\n') { Style::Double } else { of_line(text) }
}

fn of_line(text: &str) -> Style {
    if scalar::is_special(text) || is_base60(text) || !text.chars().all(is_printable) {
        Style::Double
    } else if is_plain(text) {
        Style::Plain
    } else {
        Style::Single
    }
}

/// A number as Go writes it: whole if it can be, with an exponent from a million up and below 0.0001.
pub(super) fn number(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    if value.fract() == 0.0 && value.abs() < 9e18 {
        return format!("{:.0}", value + 0.0);
    }
    let scientific = format!("{value:e}");
    match scientific
        .split_once('e')
        .and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)))
    {
        Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => value.to_string(),
    }
}

/// The escape of a character in double quotes; none if it stands for itself.
pub(super) fn escape(c: char) -> Option<String> {
    Some(match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if is_printable(c) => return None,
        '\0' => "\\0".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        c => match u32::from(c) {
            code @ 0..=0xff => format!("\\x{code:02X}"),
            code @ 0x100..=0xffff => format!("\\u{code:04X}"),
            code => format!("\\U{code:08X}"),
        },
    })
}

/// Whether a block can hold a text: no space before a line break or at the end, and nothing to escape.
fn fits_block(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || is_printable(c)) && !text.ends_with(' ') && !text.contains(" \n")
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether YAML 1.1 could take a text for a number in base 60: `1:30`.
fn is_base60(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let Some((first, rest)) = text.split_once(':') else { return false };
    let sixtieth = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && rest.split(':').all(sixtieth)
        && digits(fraction)
}

/// Whether a text on one line can stand without quotes.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let starts_badly = match chars.next() {
        None => true,
        Some(
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
            | ' ',
        ) => true,
        Some('-' | '?' | ':') => chars.next().is_none_or(|next| next == ' '),
        Some(_) => text.starts_with("---") || text.starts_with("..."),
    };
    let bad_inside = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    !(starts_badly || text.starts_with("---") || bad_inside)
}
