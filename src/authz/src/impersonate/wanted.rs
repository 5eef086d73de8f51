//! The user that a request's `Impersonate-*` headers ask to be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Extra, UserInfo};

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

/// The most groups and extra values together: each costs a decision.
const MAX_VALUES: usize = 100;

/// What the headers say, before anything is added to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) groups: Vec<String>,
    pub(super) extra: Extra,
}

impl Wanted {
    /// Takes the headers out of a request. `None` if it has none.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, ApiError> {
        if !headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
            return Ok(None);
        }
        let wanted = Self::read(headers)?;
        let ours = headers.keys().filter(|name| is_ours(name)).cloned().collect::<Vec<_>>();
        let any_extra = ours.iter().any(|name| name.as_str().starts_with(EXTRA));
        for name in ours {
            headers.remove(name);
        }
        if !wanted.name.is_empty() {
            return Ok(Some(wanted));
        }
        if any_extra || !wanted.uid.is_empty() || !wanted.groups.is_empty() {
            let told = wanted.go_syntax();
            return Err(ApiError::bad_request(format!("requested {told} without impersonating a user name")));
        }
        Ok(None)
    }

    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut wanted = Self { name: single(headers, USER)?, uid: single(headers, UID)?, ..Self::default() };
        for value in headers.get_all(GROUP) {
            wanted.groups.push(text(GROUP, value)?);
        }
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                wanted.extra.entry(unescaped(key)?).or_default().push(text(name.as_str(), value)?);
            }
        }
        if wanted.groups.len() + wanted.extra.values().map(Vec::len).sum::<usize>() > MAX_VALUES {
            return Err(ApiError::bad_request(format!(
                "too many impersonated groups and extra values: must have at most {MAX_VALUES}"
            )));
        }
        Ok(wanted)
    }

    /// Whether nothing but the name is asked for.
    pub(super) fn only_name(&self) -> bool {
        self.uid.is_empty() && self.groups.is_empty() && self.extra.is_empty()
    }

    /// The user as asked for.
    pub(super) fn as_user(&self) -> UserInfo {
        UserInfo {
            name: self.name.as_str().into(),
            uid: self.uid.as_str().into(),
            groups: self.groups.iter().map(|g| Arc::from(g.as_str())).collect(),
            extra: Arc::new(self.extra.clone()),
        }
    }

    /// As Go's `%#v` prints a pointer to upstream's type.
    fn go_syntax(&self) -> String {
        let mut extra = String::from("map[string][]string");
        if self.extra.is_empty() {
            extra.push_str("(nil)");
        } else {
            let entries = self.extra.iter().map(|(k, v)| format!("{}:{}", go_quote(k), go_strings(v)));
            let _ = write!(extra, "{{{}}}", entries.collect::<Vec<_>>().join(", "));
        }
        format!(
            "&user.DefaultInfo{{Name:{}, UID:{}, Groups:{}, Extra:{extra}}}",
            go_quote(&self.name),
            go_quote(&self.uid),
            go_strings(&self.groups),
        )
    }
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, USER | UID | GROUP) || name.starts_with(EXTRA)
}

/// A header that names one thing: given twice it is refused, lest two readers see two users.
fn single(headers: &HeaderMap, name: &'static str) -> Result<String, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(String::new()) };
    if values.next().is_some() {
        return Err(ApiError::bad_request(format!("header {name} is given more than once")));
    }
    text(name, value)
}

fn text(name: &str, value: &HeaderValue) -> Result<String, ApiError> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map(str::to_owned).map_err(|_| ApiError::bad_request(format!("header {name} is not UTF-8")))
}

/// Keys are percent-encoded; one whose encoding is malformed stands for itself.
fn unescaped(key: &str) -> Result<String, ApiError> {
    let well_formed = key.split('%').skip(1).all(|part| {
        let mut digits = part.bytes().take(2);
        digits.len() == 2 && digits.all(|b| b.is_ascii_hexdigit())
    });
    if !well_formed {
        return Ok(key.to_owned());
    }
    let decoded = percent_decode_str(key).decode_utf8();
    decoded.map(Into::into).map_err(|_| ApiError::bad_request("impersonated extra key is not UTF-8"))
}

fn go_strings(texts: &[String]) -> String {
    if texts.is_empty() {
        return "[]string(nil)".to_owned();
    }
    let quoted: Vec<String> = texts.iter().map(|t| go_quote(t)).collect();
    format!("[]string{{{}}}", quoted.join(", "))
}

/// The entries of extra, each key with one of its values.
pub(super) fn values(extra: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (&str, &str)> {
    extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&str, &[u8])| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn take(pairs: &[(&str, &[u8])]) -> Result<Option<Wanted>, String> {
        Wanted::take(&mut headers(pairs)).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn headers_are_read_and_removed() {
        let mut headers = headers(&[
            ("Impersonate-User", b"u"),
            ("Impersonate-Uid", b"7"),
            ("Impersonate-Group", b"g"),
            ("Impersonate-Group", b"h"),
            ("Impersonate-Extra-Reason%2fWhy", b"x"),
            ("Impersonate-Extra-bad%zz", b"y"),
            ("Accept", b"*/*"),
        ]);
        let wanted = Wanted::take(&mut headers).unwrap().unwrap();
        assert_eq!((wanted.name.as_str(), wanted.uid.as_str()), ("u", "7"));
        assert_eq!(wanted.groups, ["g", "h"]);
        assert_eq!(wanted.extra.keys().collect::<Vec<_>>(), ["bad%zz", "reason/why"]);
        assert_eq!(headers.len(), 1);
        assert_eq!(take(&[("Accept", b"*/*")]), Ok(None));
        assert_eq!(take(&[("Impersonate-Uid", b"")]), Ok(None));
    }

    #[test]
    fn a_user_must_be_named() {
        let told = take(&[("Impersonate-Group", b"g")]).unwrap_err();
        assert_eq!(
            told,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, Extra:map[string][]string(nil)} without impersonating a user name"
        );
        let told = take(&[("Impersonate-Extra-scopes", b"x"), ("Impersonate-Uid", b"7")]).unwrap_err();
        assert_eq!(
            told,
            "requested &user.DefaultInfo{Name:\"\", UID:\"7\", Groups:[]string(nil), Extra:map[string][]string{\"scopes\":[]string{\"x\"}}} without impersonating a user name"
        );
    }

    #[test]
    fn d073_many_headers_are_refused_before_they_cost_anything() {
        let mut pairs: Vec<(&str, &[u8])> = vec![("Impersonate-User", b"u")];
        pairs.extend([("Impersonate-Group", b"g".as_slice()); MAX_VALUES]);
        assert!(take(&pairs).is_ok());
        pairs.push(("Impersonate-Extra-a", b"b"));
        assert!(take(&pairs).unwrap_err().contains("at most 100"));
    }

    #[test]
    fn j018_headers_that_cannot_be_read_are_refused() {
        assert!(take(&[("Impersonate-User", b"\xff")]).is_err());
        assert!(take(&[("Impersonate-User", b"u"), ("Impersonate-Group", b"\x80")]).is_err());
        assert!(take(&[("Impersonate-User", b"a"), ("Impersonate-User", b"b")]).is_err());
        assert!(take(&[("Impersonate-User", b"u"), ("Impersonate-Extra-%ff", b"b")]).is_err());
        assert!(take(&[("Impersonate-User", "jürgen".as_bytes())]).is_ok());
    }
}
