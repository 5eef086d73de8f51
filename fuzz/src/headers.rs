//! Headers that name somebody: bearer tokens, the front proxy's, impersonation, addresses.

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_audit::forwarded;
use portcullis_authn::{FrontProxyHeaders, tokens_of_headers};
use portcullis_authz::take_impersonation;

/// Lines of `name: value`.
pub fn headers(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { continue };
        headers.append(name, value);
    }
    if let Ok(tokens) = tokens_of_headers(&headers) {
        assert!(tokens.iter().all(|token| !token.is_empty()), "no token is empty");
        let several = headers.get_all("authorization").iter().count() > 1;
        assert!(!several, "two are one too many");
    }
    assert!(forwarded(&headers).len() <= 17, "addresses are bounded");
    if let Ok(Some(user)) = FrontProxyHeaders::default().claimed(&headers) {
        assert!(!user.name.is_empty(), "somebody has a name");
    }
    if let Ok(Some(user)) = take_impersonation(&mut headers) {
        assert!(!user.name.is_empty() && user.groups.len() <= 100, "somebody has a name, and few groups");
        let left = headers.keys().any(|name| name.as_str() == "impersonate-user");
        assert!(!left, "nobody below sees them");
    }
}
