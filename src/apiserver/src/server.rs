//! A server: built in steps, run until told to stop.
//!
//! The steps are types. Without an identity for TLS, authorities, an authenticator and rules there is
//! nothing to bind, and nothing of it has a default.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::Value;
use portcullis_audit::{Policy, Sink};
use portcullis_authn::Authenticator;
use portcullis_authz::{Authorities, Budgets, Fairness};
use portcullis_pki::{ClientTrust, InProcessIdentity};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::discovery::Discovery;
use crate::dispatch::{Dispatch, Posture, Rest, Sources};
use crate::health::{Check, Health};
use crate::in_process::InProcess;
use crate::listener::{Listener, ListenerConfig};
use crate::metrics::{self, Metrics};
use crate::oidc::Oidc;
use crate::stack::{Api, Ceilings, Gates, InFlight, stack};

/// How often metrics are folded.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often the process's memory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Builds servers; see [`Server::builder`].
#[derive(Debug)]
pub struct Builder(());

/// Next: who may connect, and how they are known.
pub struct WithTls {
    tls: Arc<ServerConfig>,
    trust: Arc<ClientTrust>,
}

/// Next: who may do what.
pub struct WithAuthentication {
    tls: WithTls,
    authenticator: Arc<Authenticator>,
}

/// Next: where it is written down.
pub struct WithAuthorization {
    authenticated: WithAuthentication,
    authorities: Authorities,
    fairness: Arc<Fairness>,
}

/// Everything a server cannot be without; the rest has defaults.
pub struct Ready {
    authorized: WithAuthorization,
    sink: Arc<dyn Sink>,
    rest: Rest,
    discovery: Discovery,
    settings: Settings,
}

struct Settings {
    health: Health,
    oidc: Option<Oidc>,
    posture: Option<Posture>,
    audit: Arc<Policy>,
    deadline: Duration,
    ceilings: Ceilings,
    budgets: Budgets,
    listener: ListenerConfig,
}

impl Builder {
    /// The server's certificates and the authorities its clients are checked against.
    pub fn tls(self, tls: Arc<ServerConfig>, trust: Arc<ClientTrust>) -> WithTls {
        WithTls { tls, trust }
    }
}

impl WithTls {
    /// Who says who asks.
    pub fn authentication(self, authenticator: Arc<Authenticator>) -> WithAuthentication {
        WithAuthentication { tls: self, authenticator }
    }
}

impl WithAuthentication {
    /// Who says what may be done, and whose turn it is.
    pub fn authorization(self, authorities: Authorities, fairness: Arc<Fairness>) -> WithAuthorization {
        WithAuthorization { authenticated: self, authorities, fairness }
    }
}

impl WithAuthorization {
    /// Where events go, and what serves resources.
    pub fn serving(self, sink: Arc<dyn Sink>, rest: Rest, discovery: Discovery) -> Ready {
        let settings = Settings {
            health: Health::default(),
            oidc: None,
            posture: None,
            audit: Arc::new(Policy::builtin().unwrap_or_default()),
            deadline: Duration::from_secs(60),
            ceilings: Ceilings::default(),
            budgets: Budgets::default(),
            listener: ListenerConfig::default(),
        };
        Ready { authorized: self, sink, rest, discovery, settings }
    }
}

impl Ready {
    /// The checks behind `/livez` and `/readyz`.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.settings.health = health;
        self
    }

    /// The issuer whose documents are published.
    #[must_use]
    pub fn oidc(mut self, oidc: Oidc) -> Self {
        self.settings.oidc = Some(oidc);
        self
    }

    /// What the server says of itself to those who check it.
    #[must_use]
    pub fn posture(mut self, report: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.settings.posture = Some(Arc::new(report));
        self
    }

    /// Which requests are recorded, and how much of them; the embedded policy if none is given.
    #[must_use]
    pub fn audit_policy(mut self, policy: Arc<Policy>) -> Self {
        self.settings.audit = policy;
        self
    }

    /// How long a request may take that is no stream.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// What may be in flight.
    #[must_use]
    pub fn ceilings(mut self, ceilings: Ceilings) -> Self {
        self.settings.ceilings = ceilings;
        self
    }

    /// What may be held in memory for clients.
    #[must_use]
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.settings.budgets = budgets;
        self
    }

    /// How connections are treated.
    #[must_use]
    pub fn listener(mut self, listener: ListenerConfig) -> Self {
        self.settings.listener = listener;
        self
    }

    /// Binds an address and starts to serve. Must be called within a Tokio runtime.
    pub async fn bind(self, address: SocketAddr) -> io::Result<Server> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let metrics = Metrics::install();
        let (stop, stopped) = watch::channel(false);
        let in_flight = InFlight::default();
        let Self { authorized, sink, rest, discovery, settings } = self;
        let WithAuthorization { authenticated, authorities, fairness } = authorized;
        let WithAuthentication { tls: WithTls { tls, trust }, authenticator } = authenticated;
        let gates = Gates {
            deadline: settings.deadline,
            ceilings: settings.ceilings,
            in_flight: in_flight.clone(),
            stop: stopped.clone(),
            metrics: metrics.clone(),
            sink,
            policy: settings.audit,
            authenticator,
            chain: authorities.chain.clone(),
            fairness: fairness.clone(),
        };
        let dispatch = Dispatch::new(Sources {
            rest,
            discovery,
            health: settings.health.ready(not_stopping(stopped.clone())),
            metrics: metrics.clone(),
            oidc: settings.oidc,
            posture: settings.posture,
            authorities,
            budgets: settings.budgets.clone(),
            fairness,
        });
        let api = stack(gates, dispatch);
        let listener = Listener {
            socket,
            tls,
            trust,
            api: api.clone(),
            config: settings.listener,
            metrics: metrics.clone(),
        };
        let accepting = tokio::spawn(listener.run(stopped));
        let upkeep = tokio::spawn(keep_up(metrics, settings.budgets));
        info!(%address, "Serving");
        Ok(Server { address, api, stop, in_flight, accepting, upkeep })
    }
}

/// Takes the server out of a load balancer's list before it stops to listen.
fn not_stopping(stopped: watch::Receiver<bool>) -> Check {
    Check::new("shutdown", move || match *stopped.borrow() {
        true => Err("process is shutting down".to_owned()),
        false => Ok(()),
    })
}

async fn keep_up(metrics: Metrics, budgets: Budgets) {
    let mut folded = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(bytes) = metrics::resident() {
            budgets.resident(bytes);
        }
        if folded.elapsed() >= UPKEEP {
            metrics.upkeep();
            folded = Instant::now();
        }
    }
}

/// A running server. Dropping it without [`Server::shutdown`] stops it too, but waits for nothing.
pub struct Server {
    address: SocketAddr,
    api: Api,
    stop: watch::Sender<bool>,
    in_flight: InFlight,
    accepting: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Server {
    /// Starts to build one.
    pub fn builder() -> Builder {
        Builder(())
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A handle for a part of this process.
    pub fn in_process(&self, identity: InProcessIdentity) -> InProcess {
        InProcess::new(self.api.clone(), identity)
    }

    /// A signal for streams: it turns true when they should end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Stops accepting, lets what is in flight finish, and cuts off what has not by the limit.
    pub async fn shutdown(self, limit: Duration) {
        self.stop.send_replace(true);
        let Self { in_flight, accepting, upkeep, .. } = self;
        let cut = accepting.abort_handle();
        let done = async {
            accepting.await.ok();
            in_flight.drained().await;
        };
        if timeout(limit, done).await.is_err() {
            warn!("Requests were cut off by the shutdown");
            cut.abort();
        }
        upkeep.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
