//! Webhooks named by objects of the API: `clientConfig {url | service, caBundle}`.

use std::path::Path;
use std::sync::Arc;

use portcullis_pki::ServerTrust;

use crate::dial::{self, Route, ServiceRoutes};
use crate::endpoint::{Credential, Endpoint, is_local};
use crate::kubeconfig::{self, File};
use crate::{AddressGuard, ConfigError};

const HTTPS: u16 = 443;

/// Where an object of the API says its webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAddress {
    /// At an address.
    Url(String),
    /// Behind a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The path that is called, with its slash; may be empty.
        path: String,
        /// The port; 443 if none is given.
        port: Option<u16>,
    },
}

impl HookAddress {
    /// The endpoint: believed if `authorities_pem` vouch for it (the machine's if empty), called as
    /// `identities` say. Unless the host is this very machine HTTP/1.1 is spoken, as upstream, so that
    /// calls spread over a service's backends.
    pub fn endpoint(
        &self,
        authorities_pem: &str,
        identities: &HookIdentities,
        routes: &Arc<dyn ServiceRoutes>,
    ) -> Result<Endpoint, ConfigError> {
        let mut endpoint = match self {
            Self::Url(url) => at_url(url, identities)?,
            Self::Service { namespace, name, path, port } => {
                at_service(namespace, name, path, port.unwrap_or(HTTPS), identities, routes)?
            }
        };
        if !authorities_pem.is_empty() {
            endpoint = endpoint.with_authorities(authorities_pem)?;
        }
        Ok(endpoint)
    }
}

fn at_url(url: &str, identities: &HookIdentities) -> Result<Endpoint, ConfigError> {
    let mut endpoint = Endpoint::new(url)?;
    if endpoint.url.scheme_str() != Some("https") {
        return Err(ConfigError::Address { address: url.to_owned(), why: "must begin with https://" });
    }
    let host = dial::host(&endpoint.url).to_owned();
    let local = is_local(&host);
    endpoint.http1_only = !local;
    endpoint.guard = AddressGuard::Api { local };
    endpoint.credential = identities.credential(&host, dial::port(&endpoint.url))?;
    Ok(endpoint)
}

fn at_service(
    namespace: &str,
    name: &str,
    path: &str,
    port: u16,
    identities: &HookIdentities,
    routes: &Arc<dyn ServiceRoutes>,
) -> Result<Endpoint, ConfigError> {
    let host = format!("{name}.{namespace}.svc");
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    let mut endpoint = Endpoint::new(&format!("https://{host}:{port}{slash}{path}"))?;
    endpoint.trust = ServerTrust::System;
    endpoint.http1_only = true;
    endpoint.guard = AddressGuard::Api { local: false };
    endpoint.credential = identities.credential(&host, port)?;
    endpoint.route =
        Some(Route { routes: routes.clone(), namespace: namespace.to_owned(), name: name.to_owned(), port });
    Ok(endpoint.with_server_name(host))
}

/// As whom webhooks are called: the users of the kubeconfig file named in the admission configuration,
/// by host. Empty: as nobody.
#[derive(Debug, Default)]
pub struct HookIdentities(Option<File>);

impl HookIdentities {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        kubeconfig::read(path).map(|file| Self(Some(file)))
    }

    /// The user of a host: of the exact name, then of `*.suffix`, each also without port 443, then `*`,
    /// then the current context's.
    fn credential(&self, host: &str, port: u16) -> Result<Credential, ConfigError> {
        let Some(file) = &self.0 else { return Ok(Credential::default()) };
        let mut targets = vec![format!("{host}:{port}")];
        if port == HTTPS {
            targets.push(host.to_owned());
        }
        let mut names =
            targets.iter().flat_map(|target| std::iter::once(target.clone()).chain(wildcards(target)));
        let named = names.find_map(|name| file.user(&name));
        match named.or_else(|| file.user("*")).or_else(|| file.current_user()) {
            Some(user) => file.credential(user),
            None => Ok(Credential::default()),
        }
    }
}

fn wildcards(target: &str) -> impl Iterator<Item = String> + '_ {
    target.match_indices('.').filter_map(|(at, _)| target.get(at..)).map(|rest| format!("*{rest}"))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct Nowhere;

    #[async_trait]
    impl ServiceRoutes for Nowhere {
        async fn addresses(&self, _: &str, _: &str, _: u16) -> Result<Vec<std::net::SocketAddr>, String> {
            Err("nowhere".into())
        }
    }

    #[test]
    fn wildcards_grow_shorter() {
        let found: Vec<_> = wildcards("a.b.svc:443").collect();
        assert_eq!(found, ["*.b.svc:443", "*.svc:443"]);
    }

    #[test]
    fn a_service_is_called_by_its_name() {
        let routes: Arc<dyn ServiceRoutes> = Arc::new(Nowhere);
        let address = HookAddress::Service {
            namespace: "ns".into(),
            name: "hook".into(),
            path: "/v".into(),
            port: None,
        };
        let endpoint = address.endpoint("", &HookIdentities::default(), &routes).unwrap();
        assert_eq!(endpoint.url.to_string(), "https://hook.ns.svc:443/v");
        assert_eq!(endpoint.server_name.as_deref(), Some("hook.ns.svc"));
        assert!(endpoint.http1_only && endpoint.credential.is_none());
    }

    #[test]
    fn a_hook_by_address_is_https() {
        let routes: Arc<dyn ServiceRoutes> = Arc::new(Nowhere);
        let endpoint =
            |url: &str| HookAddress::Url(url.into()).endpoint("", &HookIdentities::default(), &routes);
        assert!(endpoint("http://127.0.0.1/").is_err());
        assert_eq!(endpoint("https://127.0.0.1:1/").unwrap().guard, AddressGuard::Api { local: true });
        assert_eq!(endpoint("https://a.example/").unwrap().guard, AddressGuard::Api { local: false });
    }

    #[test]
    fn users_are_found_by_host() {
        let text = "users:\n- name: 'hook.ns.svc'\n  user: {token: one}\n- name: '*.example'\n  user: {token: two}\n- name: '*'\n  user: {}\n";
        let identities = HookIdentities(Some(kubeconfig::parse(text, Path::new("/")).unwrap()));
        assert!(!identities.credential("hook.ns.svc", 443).unwrap().is_none());
        assert!(identities.credential("hook.ns.svc", 8443).unwrap().is_none());
        assert!(!identities.credential("a.b.example", 443).unwrap().is_none());
        assert!(identities.credential("other", 443).unwrap().is_none());
    }
}
