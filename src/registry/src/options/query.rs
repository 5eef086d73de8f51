//! A query string as pairs. Bounded; the last decoding of percent signs there is.

use percent_encoding::percent_decode_str;
use portcullis_api::{ApiError, Result};

/// More parameters than this are refused: no client sends them.
const MAX_PARAMETERS: usize = 128;

/// The parameters of a request in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Splits and decodes a query string.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self> {
        let Some(raw) = raw.filter(|raw| !raw.is_empty()) else { return Ok(Self::default()) };
        if raw.bytes().filter(|b| *b == b'&').count() >= MAX_PARAMETERS {
            return Err(ApiError::bad_request("too many query parameters"));
        }
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        });
        Ok(Self(pairs.collect::<Result<_>>()?))
    }

    /// The first value of a parameter.
    pub(crate) fn first(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The first value of a parameter; empty where there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.first(key).unwrap_or_default()
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// A flag: absent is `None`; `0` and `false` are false; anything else is true, as upstream.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.first(key).map(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.first(key) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let shown = portcullis_api::field::go_quote(text);
                let looks_numeric = text.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit());
                let why =
                    if looks_numeric && text.len() > 1 { "value out of range" } else { "invalid syntax" };
                Err(ApiError::bad_request(format!("strconv.ParseInt: parsing {shown}: {why}")))
            }
        }
    }
}

fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(ApiError::bad_request("a query parameter is not valid UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let query = Query::parse(Some("a=1%2B1&b=x+y&c&a=2&d=%252F")).unwrap();
        assert_eq!(query.first("a"), Some("1+1"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1+1", "2"]);
        assert_eq!(query.text("b"), "x y");
        assert_eq!(query.flag("c"), Some(true));
        assert_eq!(query.text("d"), "%2F");
    }

    #[test]
    fn floods_and_bad_text_are_refused() {
        assert!(Query::parse(Some(&"a=1&".repeat(200))).is_err());
        assert!(Query::parse(Some("a=%ff")).is_err());
        assert_eq!(
            Query::parse(Some("limit=abc")).unwrap().number("limit").unwrap_err().message(),
            "strconv.ParseInt: parsing \"abc\": invalid syntax"
        );
    }
}
