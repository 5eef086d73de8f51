//! The path as decoded segments, or a refusal.
//!
//! A path that two readers could read in two ways is refused, never cleaned: empty and dot segments,
//! escaped slashes, backslashes, percent signs and control characters, escapes of characters that need
//! none, broken escapes, and anything beyond the length that names can add up to.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::ApiError;

/// The longest path that is read. Four names of 253 characters, escaped, fit several times over.
const MAX_LENGTH: usize = 8 * 1024;

/// Decodes a path and checks that it has one reading.
pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>, ApiError> {
    if raw.len() > MAX_LENGTH {
        return Err(refusal("the request path is too long"));
    }
    let Some(relative) = raw.strip_prefix('/') else {
        return Err(refusal("the request path must begin with a slash"));
    };
    let path = if raw.contains('%') { Cow::Owned(unescape(raw)?) } else { Cow::Borrowed(raw) };
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(refusal("the request path may not contain control characters or backslashes"));
    }
    // Checked on the raw text too: neither form may hide a segment from the other.
    check_segments(relative)?;
    check_segments(path.strip_prefix('/').unwrap_or_default())?;
    Ok(path)
}

/// Whether every percent sign starts a two-digit escape.
pub(super) fn escapes_are_valid(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes().take(2);
        matches!((digits.next(), digits.next()), (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    })
}

fn unescape(raw: &str) -> Result<String, ApiError> {
    if !escapes_are_valid(raw) {
        return Err(refusal("the request path has an invalid escape"));
    }
    let escaped = raw.split('%').skip(1).filter_map(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
    for byte in escaped {
        if matches!(byte, b'/' | b'\\' | b'%') || is_unreserved(byte) {
            return Err(refusal("the request path escapes a character that must not be escaped"));
        }
    }
    match percent_decode_str(raw).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(refusal("the request path is not UTF-8")),
    }
}

/// RFC 3986's unreserved characters mean the same with and without an escape, so an escape only hides.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// One trailing slash is fine: upstream's discovery and proxy paths have it.
fn check_segments(relative: &str) -> Result<(), ApiError> {
    let trimmed = relative.strip_suffix('/').unwrap_or(relative);
    if trimmed.is_empty() && relative.is_empty() {
        return Ok(());
    }
    if trimmed.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(refusal("the request path may not contain empty or dot segments"));
    }
    Ok(())
}

fn refusal(words: &str) -> ApiError {
    ApiError::bad_request(words)
}
