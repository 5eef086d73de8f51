//! Bearer tokens of browsers, which cannot set `Authorization` on a WebSocket: a subprotocol
//! `base64url.bearer.authorization.k8s.io.TOKEN` beside at least one real one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue};

use crate::Rejection;
use crate::jwt::MAX_TOKEN_BYTES;

const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// The token among the subprotocols of a WebSocket request, if there is one.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    if !is_websocket(headers) {
        return Ok(None);
    }
    let (tokens, others): (Vec<_>, Vec<_>) = protocols(headers).partition(|p| p.starts_with(PREFIX));
    let token = match tokens.as_slice() {
        [] => return Ok(None),
        [one] => one.strip_prefix(PREFIX).unwrap_or_default(),
        _ => return Err(Rejection::new("multiple base64.bearer.authorization tokens specified")),
    };
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Rejection::new("base64.bearer.authorization token is too long"));
    }
    let token = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| Rejection::new("invalid base64.bearer.authorization token encoding"))?;
    let token =
        String::from_utf8(token).map_err(|_| Rejection::new("invalid base64.bearer.authorization token"))?;
    match (token.is_empty(), others.is_empty()) {
        (true, _) => Ok(None),
        (false, true) => Err(Rejection::new("missing additional subprotocol")),
        (false, false) => Ok(Some(token)),
    }
}

/// Removes token subprotocols, whoever verified the request: nobody behind the gate may see or echo them.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mentions =
        |value: &HeaderValue| value.as_bytes().windows(PREFIX.len()).any(|w| w == PREFIX.as_bytes());
    if !headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(mentions) {
        return;
    }
    let others: Vec<_> = protocols(headers).filter(|p| !p.starts_with(PREFIX)).collect();
    let others = HeaderValue::from_str(&others.join(","));
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(others) = others
        && !others.is_empty()
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, others);
    }
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let asks = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("upgrade"));
    upgrade.eq_ignore_ascii_case("websocket") && headers.get_all(CONNECTION).iter().any(asks)
}

/// Subprotocols; a value that is no text has none, so it cannot hide a token from `strip`'s removal.
fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(protocols: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        for protocol in protocols {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocol).unwrap());
        }
        headers
    }

    fn with(token: &[u8]) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token))
    }

    #[test]
    fn d063_one_token_beside_a_protocol_counts() {
        let headers = request(&[&format!("{}, v4.channel.k8s.io", with(b"abc"))]);
        assert_eq!(token(&headers).unwrap().as_deref(), Some("abc"));
        let mut headers = request(&["v5.channel.k8s.io", &with(b"abc"), "v4.channel.k8s.io"]);
        assert_eq!(token(&headers).unwrap().as_deref(), Some("abc"));
        strip(&mut headers);
        let left: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
        assert_eq!(left, ["v5.channel.k8s.io,v4.channel.k8s.io"]);
    }

    #[test]
    fn d063_everything_else_is_rejected_or_ignored() {
        let plain = with(b"abc");
        for protocols in [
            &[plain.as_str()][..],
            &[&plain, &plain, "v4"],
            &[&format!("{PREFIX}a+b/"), "v4"],
            &[&format!("{plain}="), "v4"],
            &[&with(b"\xff\xfe"), "v4"],
        ] {
            assert!(token(&request(protocols)).is_err(), "{protocols:?}");
        }
        let mut not_upgraded = request(&[&plain, "v4"]);
        not_upgraded.remove(UPGRADE);
        assert_eq!(token(&not_upgraded), Ok(None));
        assert_eq!(token(&request(&["v4"])), Ok(None));
    }

    #[test]
    fn a_token_leaves_even_alone() {
        let mut headers = request(&[&with(b"abc")]);
        strip(&mut headers);
        assert!(!headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
    }
}
