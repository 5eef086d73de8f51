//! The `Authorization` header.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use portcullis_api::ApiError;

use crate::jwt::MAX_TOKEN_BYTES;
use crate::{Attempt, Rejection};

/// What the header holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bearer<'a> {
    /// No bearer token: another scheme's credential, or none.
    Absent,
    /// A token.
    Token(&'a str),
    /// A token that no scheme could have issued.
    Unusable,
}

/// Finds the bearer token. Two headers are a bad request: which of them counts would depend on who
/// reads, here, in the audit log or behind a proxy.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Bearer<'_>, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Bearer::Absent) };
    if values.next().is_some() {
        return Err(ApiError::bad_request("more than one Authorization header"));
    }
    Ok(match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => parse(text),
        Err(_) => Bearer::Unusable,
    })
}

/// Reads a header's text as upstream: the scheme's case does not matter, what follows a second space is ignored.
pub(crate) fn parse(text: &str) -> Bearer<'_> {
    let mut parts = text.trim().splitn(3, ' ');
    let scheme = parts.next().unwrap_or_default();
    match parts.next() {
        Some(token) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => usable(token),
        _ => Bearer::Absent,
    }
}

/// A token of a size that is looked at.
pub(crate) fn usable(token: &str) -> Bearer<'_> {
    if token.len() > MAX_TOKEN_BYTES { Bearer::Unusable } else { Bearer::Token(token) }
}

/// The bearer tokens in a request's headers, before anybody judges them; exists to be fuzzed.
///
/// # Errors
/// 400 where there are two.
pub fn tokens_of_headers(headers: &HeaderMap) -> Result<Vec<String>, ApiError> {
    let plain = match bearer(headers)? {
        Bearer::Token(token) => Some(token.to_owned()),
        Bearer::Absent | Bearer::Unusable => None,
    };
    let websocket = crate::websocket::token(headers).ok().flatten();
    Ok(plain.into_iter().chain(websocket).collect())
}

/// What upstream says of a token nobody knows.
pub(crate) fn unknown_token() -> Attempt {
    Attempt::Rejected(Rejection::new("invalid bearer token"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_scheme_is_read_as_upstream() {
        for (text, token) in [
            ("Bearer abc", Bearer::Token("abc")),
            ("  bEaReR abc ", Bearer::Token("abc")),
            ("Bearer abc def", Bearer::Token("abc")),
            ("Bearer abc, Bearer def", Bearer::Token("abc,")),
            ("Bearer  abc", Bearer::Absent),
            ("Bearer", Bearer::Absent),
            ("Basic abc", Bearer::Absent),
            ("", Bearer::Absent),
        ] {
            assert_eq!(parse(text), token, "{text:?}");
        }
        assert_eq!(parse(&format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1))), Bearer::Unusable);
    }

    #[test]
    fn d028_two_headers_are_a_bad_request() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer good"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer evil"));
        assert_eq!(bearer(&headers).unwrap_err().code(), http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn bytes_that_are_no_text_are_not_absent() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(bearer(&headers).unwrap(), Bearer::Unusable);
    }
}
