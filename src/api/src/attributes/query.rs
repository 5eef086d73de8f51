//! The query of a request as decoded pairs, by the rules of Go's `url.Query`.
//!
//! A pair that cannot be decoded, or holds a semicolon, is dropped as upstream drops it. Where a name
//! is given twice every reader takes the first value, so that no two stages see different requests.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The decoded pairs in order.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    })
}

/// The first value of a name.
pub fn first<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(n, _)| n == name).map(|(_, value)| value)
}

/// A flag as upstream reads one: present and neither `false` nor `0`.
pub fn flag(query: &str, name: &str) -> bool {
    first(query, name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    if !super::path::escapes_are_valid(text) {
        return None;
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(decoded))
}
