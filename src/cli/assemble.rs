//! Puts a control plane together: store, certificates, policies, registry, server, in that order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_api::Value;
use portcullis_apiserver::{CustomDocument, CustomVersion, Discovery, Oidc, PublishedKeys, Server};
use portcullis_authn::{KeySet, TokenIssuer};
use portcullis_authz::{Budgets, DEFAULT_SEATS, Fairness, policies};
use portcullis_pki::{Algorithm, Pki, Renewer, Sites, server_config_within};
use portcullis_registry::{Hooks, Parts, Registry};
use portcullis_storage::Store;

use super::auditing::Auditing;
use super::authentication::{Credentials, authenticator, signing_key};
use super::health;
use super::ledger::Ledger;
use super::options::ServeOptions;
use super::paths::DataDir;
use super::platform::Platform;
use super::posture::{self, Facts};
use super::reload::Reloader;
use super::steps::Steps;
use super::{Failure, authorization};

/// How often it is written down when user tokens were last used.
const RECORD_USES: Duration = Duration::from_secs(60);
/// How long a shutdown waits for what is in flight.
const DRAIN: Duration = Duration::from_secs(20);

/// A running control plane.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) pki: Arc<Pki>,
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    platform: Arc<Platform>,
    audit: Auditing,
    ledger: Ledger,
    upkeep: Vec<tokio::task::JoinHandle<()>>,
}

/// Starts everything; each step reports itself.
pub(crate) async fn assemble(
    options: &ServeOptions,
    dir: &DataDir,
    steps: &mut Steps,
) -> Result<Running, Failure> {
    super::refusals::check(options)?;
    dir.create()?;
    let stored = steps.wait("store", super::storing::open(options, dir)).await?;
    let store = stored.store.clone();
    let pki = steps.run("certificates", || open_pki(options, dir))?;
    let mut reloader = Reloader::default();
    stored.sealing.reload(options, &mut reloader);
    let credentials = Credentials::read(options, dir, &pki, &mut reloader)?;
    let authorities = authorization::authorities(options, credentials.user_tokens.clone())?;
    let tokens = Arc::new(token_issuer(options, &pki)?);
    let budgets = Budgets::within(super::memory::ceiling(options.memory_ceiling.as_deref())?);
    let admission = super::admission::admission(options)?;
    let plugins: Vec<&'static str> = admission.names().collect();
    let parts = Parts {
        store: store.clone(),
        admission,
        authorities: authorities.clone(),
        tokens,
        user_tokens: credentials.user_tokens.clone(),
        revoked: credentials.revoked.clone(),
        revoked_tokens: credentials.revoked_tokens.clone(),
        ranges: options.service_ranges()?,
        budgets: budgets.clone(),
        hooks: Hooks { patience: request_timeout(options), ..Hooks::default() },
        event_ttl: super::lifetime::of_events(options.event_ttl.as_deref())?,
    };
    let registry =
        Registry::open(parts).await.map_err(|error| api_failure("the store cannot be read", &error))?;
    let platform = Arc::new(Platform::new(options, &pki)?);
    steps.wait("policies", bootstrap(&registry, &platform)).await?;
    let authenticator = authenticator(options, &registry, &credentials, &mut reloader)?;
    registry.set_authenticator(authenticator.clone());
    let audit = Auditing::open(&options.audit, dir, &store).await?;
    let live =
        pki.live("apiserver").map_err(|e| Failure::caused("the serving certificate cannot be used", &e))?;
    let limits = options.tls_limits().map_err(|e| Failure::caused("TLS cannot be set up", &e))?;
    let tls = server_config_within(live.clone(), &limits)
        .map_err(|e| Failure::caused("TLS cannot be set up", &e))?;
    let facts = Facts::new(
        (options, dir),
        plugins,
        limits,
        (authenticator.clone(), authorities.clone()),
        audit.policy(),
    );
    let fairness =
        Fairness::new(policies::read_platform_objects().iter().map(|(_, object)| object), seats(options));
    let fairness = Arc::new(fairness);
    let serve = registry.clone();
    let rest = tower::util::BoxCloneSyncService::new(tower::service_fn(move |request| {
        let registry = serve.clone();
        async move { registry.serve(request).await }
    }));
    let address = concrete(SocketAddr::new(bind_address(options), options.secure_port.unwrap_or(6443)))?;
    let published = Published(credentials.keys);
    let shown = advertised(address);
    let discovery = match &credentials.user_tokens {
        Some(_) => Discovery::with_identities(&shown),
        None => Discovery::built_in(&shown),
    };
    publish_custom(&registry, &discovery);
    let server = Server::builder()
        .tls(tls, credentials.trust)
        .authentication(authenticator)
        .authorization(authorities.clone(), fairness.clone())
        .serving(audit.sink(), rest, discovery)
        .audit_policy(audit.policy())
        .posture(move || posture::report(&facts))
        .health(stored.sealing.checked_by(health::checks(&store, platform.told()), options))
        .budgets(budgets)
        .oidc(Oidc {
            issuer: options.issuer().to_owned(),
            jwks_uri: format!("https://{shown}/openid/v1/jwks"),
            keys: Arc::new(published),
        })
        .deadline(request_timeout(options))
        .bind(address)
        .await
        .map_err(|error| super::preflight::bind_failure(address, &error))?;
    let ledger = Ledger::new(registry.clone(), pki.clone());
    let upkeep = vec![
        stored.keep(Arc::downgrade(&registry)),
        tokio::spawn(platform.clone().keep(registry.clone())),
        tokio::spawn(Renewer::new(pki.clone()).swapping("apiserver", live).run()),
        authorization::keep_current(authorities),
        reloader.run(),
        tokio::spawn(keep_fair(registry.clone(), fairness)),
        tokio::spawn(record_uses(registry.clone())),
        tokio::spawn(ledger.clone().keep()),
    ];
    Ok(Running { server, pki, store, registry, platform, audit, ledger, upkeep })
}

/// Tells discovery and OpenAPI of custom resources, now and whenever they change.
fn publish_custom(registry: &Arc<Registry>, discovery: &Discovery) {
    let (told, of) = (discovery.clone(), Arc::downgrade(registry));
    registry.publish_custom(move |published| {
        told.replace_custom(published.into_iter().map(|one| document(one, &of)).collect());
    });
}

fn document(published: portcullis_registry::Published, registry: &Weak<Registry>) -> CustomDocument {
    let (registry, definition) = (registry.clone(), published.definition);
    let version = published.row.gvr.gv.version.clone();
    let read = move || {
        let definition = registry.upgrade()?.definition(&definition)?;
        let versions = definition.at(&["spec", "versions"])?.as_array()?;
        let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(&version);
        let keeps_unknown = definition.at(&["spec", "preserveUnknownFields"]) == Some(&Value::Bool(true));
        Some(CustomVersion { version: versions.iter().find(named)?.clone(), keeps_unknown })
    };
    CustomDocument { row: published.row, tag: published.tag, read: Arc::new(read) }
}

impl Running {
    /// Checks the types of validating policies from now on.
    pub(crate) fn check_policies(&self) -> Result<(), Failure> {
        self.registry.check_policies().map_err(|error| api_failure("policies cannot be checked", &error))
    }

    /// Tells which components run in this process.
    pub(crate) fn runs(&self, components: &'static [&'static str]) {
        self.registry.run_inside(components);
    }

    /// Writes down the certificates there are: none of them is used before.
    pub(crate) async fn write_down_certificates(&self) -> Result<(), Failure> {
        self.ledger.write_down().await
    }

    /// What is stored.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where clients reach the server.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", advertised(self.server.local_addr()))
    }

    /// Drains, then releases everything in the reverse order.
    pub(crate) async fn shutdown(self) -> Result<(), Failure> {
        let Self { server, store, registry, platform, audit, ledger, upkeep, .. } = self;
        upkeep.iter().for_each(tokio::task::JoinHandle::abort);
        platform.leave(&registry).await;
        drop((registry, ledger));
        server.shutdown(DRAIN).await;
        audit.close().await;
        store.close().await.map_err(|error| Failure::caused("the store was not closed cleanly", &error))
    }
}

/// Seats requests as the stored flow schemas and priority levels say.
async fn keep_fair(registry: Arc<Registry>, fairness: Arc<Fairness>) {
    registry.follow_flow_control(|objects| fairness.reload(objects.iter())).await;
}

/// Writes down when user tokens were last used.
async fn record_uses(registry: Arc<Registry>) {
    loop {
        tokio::time::sleep(RECORD_USES).await;
        if let Err(error) = registry.record_token_uses().await {
            let why = error.log().unwrap_or(error.message());
            tracing::warn!(why, "Last uses of tokens are not written down");
        }
    }
}

/// The address with a free port where none is named: the documents that name it are made before it is
/// served on.
fn concrete(address: SocketAddr) -> Result<SocketAddr, Failure> {
    if address.port() != 0 {
        return Ok(address);
    }
    let picked = std::net::TcpListener::bind(address).and_then(|socket| socket.local_addr());
    picked.map_err(|error| super::preflight::bind_failure(address, &error))
}

fn open_pki(options: &ServeOptions, dir: &DataDir) -> Result<Arc<Pki>, Failure> {
    let ranges = options.service_ranges()?;
    let first = u32::from(ranges.addresses.network()).saturating_add(1);
    let mut sites = Sites { service_address: Some(IpAddr::from(Ipv4Addr::from(first))), ..Sites::default() };
    let bound = bind_address(options);
    if !bound.is_unspecified() {
        sites.addresses.push(bound);
    }
    for name in options.tls_san.iter().flatten() {
        match name.parse() {
            Ok(address) => sites.addresses.push(address),
            Err(_) => sites.hostnames.push(name.clone()),
        }
    }
    let wanted = portcullis_pki::Options { sites, token_algorithm: None::<Algorithm> };
    Pki::open_or_issue(dir.path(), wanted).map(Arc::new).map_err(|error| {
        Failure::caused("the certificates cannot be prepared", &error).fix(format!(
            "see that {} belongs to this user and is not readable by others",
            dir.path().display()
        ))
    })
}

fn token_issuer(options: &ServeOptions, pki: &Pki) -> Result<TokenIssuer, Failure> {
    TokenIssuer::new(options.issuer(), options.audiences(), signing_key(options, pki)?)
        .map_err(|error| Failure::caused("service account tokens cannot be issued", &error))
}

async fn bootstrap(registry: &Arc<Registry>, platform: &Platform) -> Result<(), Failure> {
    let mut wanted = policies::read_platform_objects();
    wanted.extend(policies::read_bootstrap_objects());
    wanted.extend(platform.first()?);
    registry
        .bootstrap(wanted)
        .await
        .map_err(|error| api_failure("the bootstrap objects cannot be stored", &error))
}

fn request_timeout(options: &ServeOptions) -> Duration {
    Duration::from_secs(options.request_timeout.unwrap_or(60))
}

fn seats(options: &ServeOptions) -> usize {
    options.max_requests_inflight.unwrap_or(DEFAULT_SEATS)
}

fn bind_address(options: &ServeOptions) -> IpAddr {
    options.bind_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// An address a client can dial: an unspecified one becomes loopback.
fn advertised(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port()).to_string()
}

pub(crate) fn api_failure(what: &str, error: &portcullis_api::ApiError) -> Failure {
    Failure::because(what, error.log().unwrap_or_else(|| error.message()))
}

struct Published(Arc<KeySet>);

impl PublishedKeys for Published {
    fn jwks(&self) -> bytes::Bytes {
        self.0.jwks()
    }

    fn algorithms(&self) -> Vec<String> {
        self.0.algorithms()
    }
}
