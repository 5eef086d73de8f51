//! A control plane as the program runs it, but for its size: no renewal, no audit file, a quick token key.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_admission::{Chain as Admission, plugins};
use portcullis_apiserver::{CustomDocument, Discovery, Rest, Server};
use portcullis_audit::Memory;
use portcullis_authn::{
    Authenticator, BootstrapTokens, DEFAULT_ISSUER, KeySet, Schemes, ServiceAccountTokens, TokenIssuer,
    TokenScheme,
};
use portcullis_authz::{Authorities, Budgets, DEFAULT_SEATS, Fairness, policies};
use portcullis_pki::{Algorithm, ClientTrust, NothingRevoked, Pki, Sites, server_config};
use portcullis_registry::{Hooks, Parts, Registry, ServiceRanges};
use portcullis_storage::{Embedded, Options, Store};
use tempfile::TempDir;

use crate::{Error, Result};

/// How long [`ControlPlane::shutdown`] waits for what is in flight.
const DRAIN: Duration = Duration::from_secs(5);

/// A running control plane; its directory goes when it is dropped.
pub struct ControlPlane {
    pub(crate) server: Server,
    pub(crate) pki: Arc<Pki>,
    pub(crate) tokens: Arc<TokenIssuer>,
    audit: Arc<Memory>,
    store: Arc<dyn Store>,
    dir: TempDir,
}

impl ControlPlane {
    /// Starts one on a free port of this machine.
    pub async fn start() -> Result<Self> {
        let dir = directory()?;
        let store: Arc<dyn Store> = Arc::new(Embedded::open(Options::new(dir.path().join("store.redb")))?);
        let pki = pki(&dir)?;
        let tokens = Arc::new(TokenIssuer::new(DEFAULT_ISSUER, audiences(), pki.token_key())?);
        let authorities = Authorities::built_in();
        let registry = registry(&store, &authorities, &tokens).await?;
        let authenticator = authenticator(&pki, &registry)?;
        registry.set_authenticator(authenticator.clone());
        let audit = Arc::new(Memory::default());
        let trust = ClientTrust::new(pki.authority_pem("ca")?, None, Arc::new(NothingRevoked))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let discovery = Discovery::built_in(&address.to_string());
        let told = discovery.clone();
        registry.publish_custom(move |published| {
            let documents = published.into_iter().map(|one| CustomDocument {
                row: one.row,
                tag: one.tag,
                read: Arc::new(|| None),
            });
            told.replace_custom(documents.collect());
        });
        let server = Server::builder()
            .tls(server_config(pki.live("apiserver")?)?, trust)
            .authentication(authenticator)
            .authorization(authorities, Arc::new(fairness()))
            .serving(audit.clone(), rest(registry), discovery)
            .bind(address)
            .await?;
        Ok(Self { server, pki, tokens, audit, store, dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// The certificate of its authority.
    pub fn root_ca_pem(&self) -> Result<String> {
        Ok(self.pki.authority_pem("ca")?.to_owned())
    }

    /// Its certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// What was audited; only so many events are kept.
    pub fn audit(&self) -> &Memory {
        &self.audit
    }

    /// A directory that lives as long as the control plane.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Stops it, and says when the store was not closed cleanly.
    pub async fn shutdown(self) -> Result<()> {
        self.server.shutdown(DRAIN).await;
        Ok(self.store.close().await?)
    }
}

/// In memory where the machine has such a place: nothing of a test has to survive a power cut.
fn directory() -> std::io::Result<TempDir> {
    let named = tempfile::Builder::new().prefix("portcullis-test-").to_owned();
    named.tempdir_in("/dev/shm").or_else(|_| named.tempdir())
}

fn audiences() -> Vec<String> {
    vec![DEFAULT_ISSUER.to_owned()]
}

fn pki(dir: &TempDir) -> Result<Arc<Pki>> {
    let sites = Sites { addresses: vec![Ipv4Addr::LOCALHOST.into()], ..Sites::default() };
    // An RSA key takes longer to make than all the rest together.
    let options = portcullis_pki::Options { sites, token_algorithm: Some(Algorithm::Es256) };
    Ok(Arc::new(Pki::open_or_issue(dir.path(), options)?))
}

async fn registry(
    store: &Arc<dyn Store>,
    authorities: &Authorities,
    tokens: &Arc<TokenIssuer>,
) -> Result<Arc<Registry>> {
    let parts = Parts {
        store: store.clone(),
        admission: Admission::new(plugins::built_in()),
        authorities: authorities.clone(),
        tokens: tokens.clone(),
        user_tokens: None,
        revoked: Arc::default(),
        revoked_tokens: Arc::default(),
        ranges: ServiceRanges::default(),
        budgets: Budgets::default(),
        hooks: Hooks::default(),
        event_ttl: portcullis_registry::EVENT_TTL,
    };
    let registry = Registry::open(parts).await.map_err(failure)?;
    let wanted = policies::platform_objects().iter().chain(policies::bootstrap_objects());
    registry.bootstrap(wanted.cloned().collect()).await.map_err(failure)?;
    Ok(registry)
}

pub(crate) fn failure(error: portcullis_api::ApiError) -> Error {
    error.log().unwrap_or_else(|| error.message()).to_owned().into()
}

fn authenticator(pki: &Pki, registry: &Arc<Registry>) -> Result<Arc<Authenticator>> {
    let keys = KeySet::new(pki.token_verification_keys()?);
    let issuers = vec![DEFAULT_ISSUER.to_owned()];
    let tokens: Vec<Arc<dyn TokenScheme>> = vec![
        Arc::new(ServiceAccountTokens::new(issuers, keys, registry.clone())?),
        Arc::new(BootstrapTokens::new(registry.clone())),
    ];
    Ok(Authenticator::new(Schemes { audiences: audiences(), tokens, ..Schemes::default() }))
}

fn fairness() -> Fairness {
    Fairness::new(policies::platform_objects().iter().map(|(_, object)| object), DEFAULT_SEATS)
}

fn rest(registry: Arc<Registry>) -> Rest {
    tower::util::BoxCloneSyncService::new(tower::service_fn(move |request| {
        let registry = registry.clone();
        async move { registry.serve(request).await }
    }))
}
