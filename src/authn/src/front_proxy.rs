//! Users named by a front proxy in `X-Remote-*` headers.
//!
//! Not mine: no certificate of the front proxy's own authority, or no user named. Rejected: such a
//! certificate whose holder is not on the list of allowed names. Undecodable names are a bad request:
//! read as absent they would turn the request into somebody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use portcullis_api::{ApiError, Extra, UserInfo};
use portcullis_pki::{ClientTrust, Peer, Purpose};

use crate::ConfigError;
use crate::attempt::{Attempt, Identity, Method, Rejection, authenticated};
use crate::life::{Life, Proxied};

const MAX_GROUPS: usize = 1024;

/// Which headers name the user.
#[derive(Clone, Debug)]
pub struct FrontProxyHeaders {
    /// The user; the first that is there counts.
    pub user: Vec<HeaderName>,
    /// The user's UID; the first that is there counts.
    pub uid: Vec<HeaderName>,
    /// The groups, all of them.
    pub group: Vec<HeaderName>,
    /// Prefixes of headers with extra attributes, in lower case.
    pub extra_prefixes: Vec<String>,
}

impl Default for FrontProxyHeaders {
    fn default() -> Self {
        Self {
            user: vec![HeaderName::from_static("x-remote-user")],
            uid: vec![HeaderName::from_static("x-remote-uid")],
            group: vec![HeaderName::from_static("x-remote-group")],
            extra_prefixes: vec!["x-remote-extra-".to_owned()],
        }
    }
}

impl FrontProxyHeaders {
    /// Headers by the names of upstream's flags.
    pub fn named(
        user: &[&str],
        uid: &[&str],
        group: &[&str],
        extra_prefixes: &[&str],
    ) -> Result<Self, ConfigError> {
        let names = |texts: &[&str]| texts.iter().map(|text| header(text)).collect::<Result<Vec<_>, _>>();
        let prefixes = extra_prefixes.iter().map(|p| header(p).map(|name| name.as_str().to_owned()));
        Ok(Self {
            user: names(user)?,
            uid: names(uid)?,
            group: names(group)?,
            extra_prefixes: prefixes.collect::<Result<_, _>>()?,
        })
    }

    /// Removes every such header.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        for name in self.user.iter().chain(&self.uid).chain(&self.group) {
            headers.remove(name);
        }
        let extra: Vec<_> = headers.keys().filter(|name| self.is_extra(name)).cloned().collect();
        extra.iter().for_each(|name| {
            headers.remove(name);
        });
    }

    /// Whom the headers name. Nothing of it is to be believed without the front proxy's certificate.
    ///
    /// # Errors
    /// 400 where a name cannot be read, or there are too many.
    pub fn claimed(&self, headers: &HeaderMap) -> Result<Option<UserInfo>, ApiError> {
        let Some(name) = first(headers, &self.user)? else { return Ok(None) };
        Ok(Some(UserInfo {
            uid: first(headers, &self.uid)?.unwrap_or_default().into(),
            extra: Arc::new(self.extra(headers)?),
            ..UserInfo::new(name, self.groups(headers)?)
        }))
    }

    fn groups<'a>(&self, headers: &'a HeaderMap) -> Result<Vec<&'a str>, ApiError> {
        let values = self.group.iter().flat_map(|name| headers.get_all(name));
        let groups: Vec<_> = values.map(text).filter(|t| !matches!(t, Ok(""))).collect::<Result<_, _>>()?;
        match groups.len() {
            0..=MAX_GROUPS => Ok(groups),
            _ => Err(ApiError::bad_request("too many groups in front proxy headers")),
        }
    }

    fn extra(&self, headers: &HeaderMap) -> Result<Extra, ApiError> {
        let mut extra: Extra = BTreeMap::new();
        for prefix in &self.extra_prefixes {
            for (name, value) in headers {
                let Some(key) = name.as_str().strip_prefix(prefix.as_str()) else { continue };
                extra.entry(unescaped(key)).or_default().push(text(value)?.to_owned());
            }
        }
        Ok(extra)
    }

    fn is_extra(&self, name: &HeaderName) -> bool {
        self.extra_prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
    }
}

/// The scheme.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    pub(crate) headers: FrontProxyHeaders,
    allowed: Vec<String>,
}

impl FrontProxy {
    /// Believes certificates of these names only. An empty list would let every certificate of the
    /// authority name any user, and an authority shared with ordinary clients would let those do it,
    /// so the first is refused and the second only goes with the list.
    pub fn new(
        headers: FrontProxyHeaders,
        allowed: Vec<String>,
        trust: &ClientTrust,
    ) -> Result<Self, ConfigError> {
        if allowed.iter().all(String::is_empty) {
            return Err(match trust.front_proxy_shares_authority() {
                true => ConfigError::FrontProxyShared,
                false => ConfigError::FrontProxyOpen,
            });
        }
        if headers.user.is_empty() {
            return Err(ConfigError::FrontProxyHeader("no header names the user".into()));
        }
        Ok(Self { headers, allowed })
    }

    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<Attempt, ApiError> {
        let Peer::Certificate(chain) = peer else { return Ok(Attempt::NotMine) };
        // Another authority's certificate is no front proxy's; the next scheme judges it.
        let Ok(proxy) = chain.verified(Purpose::FrontProxy, now) else { return Ok(Attempt::NotMine) };
        if !self.allowed.contains(&proxy.leaf().common_name) {
            let why = "the front proxy certificate's name is not on the allowed list";
            return Ok(Attempt::Rejected(Rejection::new(why)));
        }
        let Some(user) = self.headers.claimed(headers)? else { return Ok(Attempt::NotMine) };
        let life = Life::until(Some(proxy.leaf().not_after)).while_good(Arc::new(Proxied(chain.clone())));
        let identity = Identity::new(authenticated(user), Method::FrontProxy, None);
        Ok(Attempt::Verified(Identity { life, ..identity }))
    }
}

fn header(text: &str) -> Result<HeaderName, ConfigError> {
    text.trim().parse().map_err(|_| ConfigError::FrontProxyHeader(format!("{text:?} is no header name")))
}

/// The first value that is not empty.
fn first<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Result<Option<&'a str>, ApiError> {
    for value in names.iter().flat_map(|name| headers.get_all(name)) {
        let value = text(value)?;
        if !value.is_empty() {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn text(value: &HeaderValue) -> Result<&str, ApiError> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map_err(|_| ApiError::bad_request("a front proxy header is not valid UTF-8"))
}

/// A key whose escapes cannot be decoded is kept as it is, as upstream.
fn unescaped(key: &str) -> String {
    let is_hex = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
    let bytes = key.as_bytes();
    let sound = bytes
        .iter()
        .enumerate()
        .all(|(at, b)| *b != b'%' || (is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2))));
    let decoded = sound.then(|| percent_decode_str(key).decode_utf8().ok()).flatten();
    decoded.map_or_else(|| key.to_owned(), |text| text.into_owned())
}

#[cfg(test)]
mod tests;
