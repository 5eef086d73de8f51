//! What one scheme says about one request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::UserInfo;

use crate::life::Life;
use crate::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};

/// The answer of an authentication scheme.
#[derive(Debug)]
pub enum Attempt {
    /// The request has no credential of this scheme.
    NotMine,
    /// The credential is good.
    Verified(Identity),
    /// The credential is of this scheme and is not good.
    Rejected(Rejection),
}

/// Why a credential was rejected: for the log and for token reviews, never for the caller. No part of
/// the credential is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection(Cow<'static, str>);

impl Rejection {
    /// A reason.
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// By which scheme somebody was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A part of this process.
    InProcess,
    /// Named by the front proxy.
    FrontProxy,
    /// A client certificate.
    X509,
    /// The static token file.
    TokenFile,
    /// A service account token.
    ServiceAccount,
    /// A bootstrap token.
    BootstrapToken,
    /// A token of an identity provider.
    Oidc,
    /// A token that a webhook knows.
    Webhook,
    /// A token of a person or program.
    UserToken,
    /// Another token scheme.
    Token,
    /// Nobody in particular.
    Anonymous,
}

impl Method {
    /// The word in audit events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::FrontProxy => "front-proxy",
            Self::X509 => "x509",
            Self::TokenFile => "token-file",
            Self::ServiceAccount => "service-account",
            Self::BootstrapToken => "bootstrap-token",
            Self::Oidc => "oidc",
            Self::Webhook => "webhook",
            Self::UserToken => "user-token",
            Self::Token => "token",
            Self::Anonymous => "anonymous",
        }
    }
}

/// A verified user. Holding one proves nothing to the gates below: their proof is
/// [`Authenticated`](crate::Authenticated).
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) user: UserInfo,
    pub(crate) method: Method,
    /// Until when the credential holds.
    pub(crate) life: Life,
    /// The asked audiences the credential is good for; `None` for schemes that know no audiences.
    pub(crate) audiences: Option<Vec<String>>,
}

impl Identity {
    /// An identity by a scheme without audiences.
    pub fn new(user: UserInfo, method: Method, expires_at: Option<Timestamp>) -> Self {
        Self { user, method, life: Life::until(expires_at), audiences: None }
    }

    /// Who it is.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }
}

/// Adds the group every authenticated user is in. As upstream, whoever is `system:anonymous` or
/// already says on which side it stands is left as it is.
pub(crate) fn authenticated(mut user: UserInfo) -> UserInfo {
    if &*user.name == ANONYMOUS || user.groups.iter().any(|g| matches!(&**g, AUTHENTICATED | UNAUTHENTICATED))
    {
        return user;
    }
    user.groups = user.groups.iter().cloned().chain([Arc::from(AUTHENTICATED)]).collect();
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d040_d074_the_group_is_added_once_and_not_to_nobody() {
        let groups = |name, groups: &[&str]| {
            let user = authenticated(UserInfo::new(name, groups));
            user.groups.iter().map(|g| g.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(groups("jane", &["dev"]), ["dev", AUTHENTICATED]);
        assert_eq!(groups("jane", &[AUTHENTICATED]), [AUTHENTICATED]);
        assert_eq!(groups("jane", &[UNAUTHENTICATED]), [UNAUTHENTICATED]);
        assert!(groups(ANONYMOUS, &[]).is_empty());
    }
}
