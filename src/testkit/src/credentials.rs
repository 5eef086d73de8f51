//! Whoever a test wants to be.

use std::sync::Arc;

use http::Uri;
use kube::Client;
use portcullis_authn::{MintedToken, ServiceAccount};
use portcullis_client::{in_process, mutual_tls};
use portcullis_pki::{InProcessIdentity, Issued, LiveCertificate, Overrides, client_config};

use crate::control_plane::failure;
use crate::{ControlPlane, RawClient, Result};

const USER_AGENT: &str = "testkit/1";

impl ControlPlane {
    /// A client in this process that no policy binds.
    pub fn admin(&self) -> Result<Client> {
        self.part("admin", USER_AGENT)
    }

    /// A client in this process, as any user.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<Client> {
        self.client_of(self.pki.in_process("user", &overrides(user, groups))?, USER_AGENT)
    }

    /// A client in this process, as a service account of `kube-system`.
    pub fn system_account(&self, name: &str, user_agent: &str) -> Result<Client> {
        self.client_of(self.pki.in_process_service_account("kube-system", name)?, user_agent)
    }

    /// A client in this process, as one of the identities that have a certificate profile.
    pub fn part(&self, profile: &str, user_agent: &str) -> Result<Client> {
        self.client_of(self.pki.in_process(profile, &Overrides::default())?, user_agent)
    }

    fn client_of(&self, identity: InProcessIdentity, user_agent: &str) -> Result<Client> {
        Ok(in_process(self.server.in_process(identity), user_agent)?)
    }

    /// A client over TLS, with a certificate for any user.
    pub fn tls_client(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let config = client_config(&self.root_ca_pem()?, Some(live(&self.certificate(user, groups)?)?))?;
        Ok(mutual_tls(self.url().parse::<Uri>()?, &config, USER_AGENT)?)
    }

    /// A new certificate for any user.
    pub fn certificate(&self, user: &str, groups: &[&str]) -> Result<Issued> {
        Ok(self.pki.issue("user", &overrides(user, groups))?)
    }

    /// A token of a service account, good for an hour.
    pub fn token(&self, account: ServiceAccount<'_>) -> Result<MintedToken> {
        self.tokens.issue(account, self.tokens.default_audiences(), 3600, None).map_err(failure)
    }

    /// A connection that sends bytes as they are; with a certificate or without.
    pub async fn raw(&self, identity: Option<&Issued>) -> Result<RawClient> {
        let identity = identity.map(live).transpose()?;
        let config = client_config(&self.root_ca_pem()?, identity)?;
        RawClient::connect(self.address(), &config).await
    }
}

fn live(issued: &Issued) -> Result<Arc<LiveCertificate>> {
    Ok(LiveCertificate::from_pem(&issued.certificate_pem, issued.key.expose())?)
}

fn overrides(user: &str, groups: &[&str]) -> Overrides {
    let organizations = Some(groups.iter().map(|group| (*group).to_owned()).collect());
    Overrides { name: user.to_owned(), organizations, ..Overrides::default() }
}
