//! Configuration of this crate, and what can be wrong with it.

use std::collections::HashSet;

use serde::Deserialize;

use crate::Anonymous;
use crate::oidc::config::{self, JwtFile, JwtIssuer};

const MAX_FILE: usize = 1 << 20;

/// Why the server does not start with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A line of a file is bad. The line is not shown: it holds a credential.
    #[error("{file}, line {line}: {why}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The AuthenticationConfiguration is bad.
    #[error("AuthenticationConfiguration: {0}")]
    Authentication(String),
    /// The flags for an identity provider contradict each other.
    #[error("{0}")]
    Oidc(String),
    /// An identity provider, or a webhook, cannot be called as it is configured.
    #[error("{0}")]
    Provider(String),
    /// No front proxy is allowed by name.
    #[error(
        "--requestheader-allowed-names is empty: every certificate of --requestheader-client-ca-file could name any user"
    )]
    FrontProxyOpen,
    /// Ordinary clients could pass for the front proxy.
    #[error(
        "--client-ca-file and --requestheader-client-ca-file share an authority and --requestheader-allowed-names is \
         empty: every client could name any user"
    )]
    FrontProxyShared,
    /// A front proxy header's name is bad.
    #[error("front proxy headers: {0}")]
    FrontProxyHeader(String),
    /// The issuer is no URL that discovery allows.
    #[error("service account issuer {0:?} must be an https URL without query and fragment")]
    Issuer(String),
    /// The key that tokens are hashed with is too short to keep a secret.
    #[error("the key of user tokens has fewer than 32 bytes")]
    TokenKey,
    /// The operating system gives no random bytes.
    #[error("no random bytes are available")]
    NoRandomness,
}

/// The file of `--authentication-config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationConfiguration {
    /// Whose tokens are believed.
    pub jwt: Vec<JwtIssuer>,
    /// Who may come without a credential; `None` where the file does not say.
    pub anonymous: Option<Anonymous>,
}

impl AuthenticationConfiguration {
    /// Reads the file's text. Whatever it says that is not supported is an error, unknown fields too.
    /// The server's own issuers are not allowed in it.
    pub fn parse(text: &str, disallowed_issuers: &[String]) -> Result<Self, ConfigError> {
        let refused = |why: &str| ConfigError::Authentication(why.to_owned());
        if text.len() > MAX_FILE {
            return Err(refused("the file is too large"));
        }
        let options = serde_saphyr::options! { strict_booleans: true };
        let file: File = serde_saphyr::from_str_with_options(text, options)
            .map_err(|e| ConfigError::Authentication(e.without_snippet().to_string()))?;
        if file.kind != "AuthenticationConfiguration" {
            return Err(refused("kind must be AuthenticationConfiguration"));
        }
        if !matches!(
            file.api_version.as_str(),
            "apiserver.config.k8s.io/v1" | "apiserver.config.k8s.io/v1beta1"
        ) {
            return Err(refused("apiVersion must be apiserver.config.k8s.io/v1"));
        }
        Ok(Self {
            jwt: config::issuers(file.jwt, disallowed_issuers)?,
            anonymous: file.anonymous.map(AnonymousFile::checked).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    jwt: Vec<JwtFile>,
    #[serde(default)]
    anonymous: Option<AnonymousFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnonymousFile {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    path: String,
}

impl AnonymousFile {
    fn checked(self) -> Result<Anonymous, ConfigError> {
        match (self.enabled, self.conditions.is_empty()) {
            (false, true) => Ok(Anonymous::Refused),
            (true, true) => Ok(Anonymous::Everywhere),
            (false, false) => Err(ConfigError::Authentication(
                "anonymous.conditions: enabled should be set to true when conditions are defined".into(),
            )),
            (true, false) => {
                let paths: HashSet<_> = self.conditions.into_iter().map(|c| c.path).collect();
                if paths.iter().any(|path| !path.starts_with('/')) {
                    let why = "anonymous.conditions: a path must begin with a slash".into();
                    return Err(ConfigError::Authentication(why));
                }
                Ok(Anonymous::Paths(paths))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<AuthenticationConfiguration, ConfigError> {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";
        AuthenticationConfiguration::parse(&format!("{head}{rest}"), &[])
    }

    #[test]
    fn anonymous_is_read() {
        let anonymous = |rest| parse(rest).unwrap().anonymous;
        assert_eq!(anonymous(""), None);
        assert_eq!(anonymous("anonymous: {enabled: false}"), Some(Anonymous::Refused));
        assert_eq!(anonymous("anonymous: {enabled: true}"), Some(Anonymous::Everywhere));
        let paths = anonymous("anonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n");
        assert_eq!(paths, Some(Anonymous::Paths(["/livez".to_owned()].into())));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for rest in [
            "anonymous: {enable: true}",
            "anonymous: {enabled: yes}",
            "anonymous: {enabled: false, conditions: [{path: /x}]}",
            "anonymous: {enabled: true, conditions: [{paths: /x}]}",
            "anonymous: {enabled: true, conditions: [{path: livez}]}",
            "jwt: [{issuer: {url: https://x}}]",
            "jwt: [{issuer: {uri: https://x}}]",
            "extra: 1",
        ] {
            assert!(parse(rest).is_err(), "{rest}");
        }
        assert!(
            AuthenticationConfiguration::parse("kind: AuthenticationConfiguration\napiVersion: v1", &[])
                .is_err()
        );
        assert!(AuthenticationConfiguration::parse("", &[]).is_err());
    }
}
