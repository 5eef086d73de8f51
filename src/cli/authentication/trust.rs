//! Whose certificates are believed: the installation's own authority, those of files, minus what
//! revocation lists take back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_pki::{ClientTrust, Pki, RevocationList};

use super::read;
use crate::cli::Failure;
use crate::cli::options::ServeOptions;
use crate::cli::reload::Reloader;

/// Where authorities and revocation lists are.
#[derive(Clone)]
pub(crate) struct Trusted {
    own: String,
    clients: Option<PathBuf>,
    revocations: Option<PathBuf>,
    front_proxies: Option<PathBuf>,
}

impl Trusted {
    /// As the flags say.
    pub(crate) fn new(options: &ServeOptions, pki: &Pki) -> Result<Self, Failure> {
        Ok(Self {
            own: pki.authority_pem("ca").map_err(unreadable)?.to_owned(),
            clients: options.client_ca_file.clone(),
            revocations: options.client_crl_file.clone(),
            front_proxies: options.requestheader_client_ca_file.clone(),
        })
    }

    /// Reads them; `revoked` takes back single certificates.
    pub(crate) fn open(&self, revoked: Arc<RevocationList>) -> Result<Arc<ClientTrust>, Failure> {
        let (users, proxies) = self.read()?;
        ClientTrust::new(&users, proxies.as_deref(), revoked).map_err(unreadable)
    }

    /// Has them read again, for open connections too, when the files change.
    pub(crate) fn watch(self, trust: Arc<ClientTrust>, reloader: &mut Reloader) {
        let files = [&self.clients, &self.revocations, &self.front_proxies];
        let files: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
        if files.is_empty() {
            return;
        }
        reloader.watch("client authorities", files, move || {
            let (users, proxies) = self.read()?;
            trust.replace(&users, proxies.as_deref()).map_err(unreadable)
        });
    }

    fn read(&self) -> Result<(String, Option<String>), Failure> {
        let mut users = self.own.clone();
        if let Some(path) = &self.clients {
            users.push('\n');
            users.push_str(&holding(path, "--client-ca-file", "CERTIFICATE")?);
        }
        let mut proxies = match &self.front_proxies {
            Some(path) => Some(holding(path, "--requestheader-client-ca-file", "CERTIFICATE")?),
            None => None,
        };
        if let Some(path) = &self.revocations {
            let lists = holding(path, "--client-crl-file", "X509 CRL")?;
            for bundle in [Some(&mut users), proxies.as_mut()].into_iter().flatten() {
                bundle.push('\n');
                bundle.push_str(&lists);
            }
        }
        Ok((users, proxies))
    }
}

/// A file that says nothing would silently trust, or revoke, nobody.
fn holding(path: &Path, flag: &str, block: &str) -> Result<String, Failure> {
    let text = read(path, flag)?;
    if text.contains(&format!("-----BEGIN {block}-----")) {
        return Ok(text);
    }
    Err(Failure::new(format!("{flag} {} holds no {block} in PEM form", path.display())))
}

fn unreadable(error: portcullis_pki::Error) -> Failure {
    Failure::caused("the authorities cannot be read", &error)
}
