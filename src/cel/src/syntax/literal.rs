//! What the spelling of a literal means.

use std::sync::Arc;

use super::ast::Literal;
use super::token::Token;

/// The value of a literal, `negative` being the sign before it; else what is wrong with it.
pub(super) fn value(token: Token, text: &str, negative: bool) -> Result<Literal, &'static str> {
    match token {
        Token::True => Ok(Literal::Bool(true)),
        Token::False => Ok(Literal::Bool(false)),
        Token::Null => Ok(Literal::Null),
        Token::Int => int(text, negative).map(Literal::Int).ok_or("invalid int literal"),
        Token::Uint => uint(text).map(Literal::Uint).ok_or("invalid uint literal"),
        Token::Float => double(text, negative).map(Literal::Double).ok_or("invalid double literal"),
        Token::String => string(text).map(|text| Literal::String(text.into())),
        Token::Bytes => bytes(text.get(1..).unwrap_or_default()).map(Literal::Bytes),
        _ => Err("unsupported literal"),
    }
}

fn int(text: &str, negative: bool) -> Option<i64> {
    let sign = if negative { "-" } else { "" };
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(&format!("{sign}{hex}"), 16).ok(),
        None => format!("{sign}{text}").parse().ok(),
    }
}

fn uint(text: &str) -> Option<u64> {
    let text = text.strip_suffix(['u', 'U']).unwrap_or(text);
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn double(text: &str, negative: bool) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(if negative { -value } else { value })
}

fn string(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len());
    unescape(text, &mut |piece| match piece {
        Piece::Char(char) => {
            out.push(char);
            Ok(())
        }
        Piece::Code(code) => match char::from_u32(code) {
            Some(char) => {
                out.push(char);
                Ok(())
            }
            None => Err("invalid unicode code point"),
        },
        Piece::Unicode(code) => {
            out.push(char::from_u32(code).ok_or("invalid unicode code point")?);
            Ok(())
        }
    })?;
    Ok(out)
}

fn bytes(text: &str) -> Result<Arc<[u8]>, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    unescape(text, &mut |piece| match piece {
        Piece::Char(char) => {
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(())
        }
        Piece::Code(code) => {
            out.push(u8::try_from(code).map_err(|_| "unable to unescape string")?);
            Ok(())
        }
        Piece::Unicode(_) => Err("unable to unescape string"),
    })?;
    Ok(out.into())
}

/// A part of a literal.
enum Piece {
    Char(char),
    /// From `\x` or an octal sequence: a byte, or a code point in a string.
    Code(u32),
    /// From `\u` or `\U`.
    Unicode(u32),
}

type Take<'t> = dyn FnMut(Piece) -> Result<(), &'static str> + 't;

/// Walks over a quoted text as the lexer accepted it.
fn unescape(text: &str, take: &mut Take<'_>) -> Result<(), &'static str> {
    let raw = text.strip_prefix(['r', 'R']);
    let inner = inside(raw.unwrap_or(text)).ok_or("unable to unescape string")?;
    let mut chars = inner.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                chars.next_if_eq(&'\n');
                take(Piece::Char('\n'))?;
            }
            '\\' if raw.is_none() => take(escape(&mut chars)?)?,
            char => take(Piece::Char(char))?,
        }
    }
    Ok(())
}

fn inside(quoted: &str) -> Option<&str> {
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inner) = quoted.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(quotes)) {
            return Some(inner);
        }
    }
    let quote = quoted.chars().next()?;
    quoted.strip_prefix(quote)?.strip_suffix(quote)
}

fn escape(chars: &mut impl Iterator<Item = char>) -> Result<Piece, &'static str> {
    let kind = chars.next().ok_or("unable to unescape string, found '\\' as last character")?;
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '\'' | '"' | '`' | '?' => kind,
        'x' | 'X' => return digits(chars, 2, 16, 0).map(Piece::Code),
        'u' => return digits(chars, 4, 16, 0).map(Piece::Unicode),
        'U' => return digits(chars, 8, 16, 0).map(Piece::Unicode),
        '0'..='3' => return digits(chars, 2, 8, kind.to_digit(8).unwrap_or_default()).map(Piece::Code),
        _ => return Err("unable to unescape string"),
    };
    Ok(Piece::Char(plain))
}

fn digits(
    chars: &mut impl Iterator<Item = char>,
    count: usize,
    radix: u32,
    start: u32,
) -> Result<u32, &'static str> {
    let mut value = start;
    for _ in 0..count {
        let digit = chars.next().and_then(|char| char.to_digit(radix)).ok_or("unable to unescape string")?;
        value = value.checked_mul(radix).and_then(|value| value.checked_add(digit)).unwrap_or(u32::MAX);
    }
    Ok(value)
}
