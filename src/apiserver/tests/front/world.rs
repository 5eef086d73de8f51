//! A server whose resources are a stub that tells what reached it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use portcullis_api::body::{collect, full};
use portcullis_api::{ApiError, Body, UserInfo, Verb};
use portcullis_apiserver::{
    Ceilings, Check, Discovery, Health, InProcess, ListenerConfig, Oidc, PublishedKeys, Ready, Rest, Server,
};
use portcullis_audit::{Memory, Policy};
use portcullis_authn::{Anonymous, Authenticator, Schemes, TokenFile};
use portcullis_authz::attributes::Subject;
use portcullis_authz::decision::Reason;
use portcullis_authz::listing::Rules;
use portcullis_authz::{Attributes, Authorities, Authorized, Authorizer, Budgets, Chain, Decision, Fairness};
use portcullis_pki::{
    ClientTrust, NothingRevoked, Options, Overrides, Pki, Sites, client_config, server_config,
};
use tempfile::TempDir;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};

pub(crate) const ROOT: &str = "root-token-root-token";
pub(crate) const LOW: &str = "low-token-low-token";

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) events: Arc<Memory>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pki: Pki,
    _directory: TempDir,
}

/// Shortens what a test would otherwise wait for.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) deadline: Option<Duration>,
    pub(crate) ceilings: Option<Ceilings>,
    pub(crate) listener: Option<ListenerConfig>,
    pub(crate) budgets: Option<Budgets>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Changes::default()).await
    }

    pub(crate) async fn with(changes: Changes) -> Self {
        let directory = TempDir::new().unwrap();
        let sites = Sites {
            service_address: None,
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            hostnames: vec!["localhost".into()],
            cluster_domain: "cluster.local".into(),
        };
        let pki = Pki::open_or_issue(directory.path(), Options { sites, token_algorithm: None }).unwrap();
        let events = Arc::new(Memory::default());
        let mut ready = ready(&pki, events.clone());
        if let Some(deadline) = changes.deadline {
            ready = ready.deadline(deadline);
        }
        if let Some(ceilings) = changes.ceilings {
            ready = ready.ceilings(ceilings);
        }
        if let Some(listener) = changes.listener {
            ready = ready.listener(listener);
        }
        if let Some(budgets) = changes.budgets {
            ready = ready.budgets(budgets);
        }
        let server = ready.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let tls = client_config(pki.authority_pem("ca").unwrap(), None).unwrap();
        Self { server, events, tls, pki, _directory: directory }
    }

    pub(crate) fn admin(&self) -> InProcess {
        self.server.in_process(self.pki.in_process("admin", &Overrides::default()).unwrap())
    }

    pub(crate) fn somebody(&self) -> InProcess {
        let overrides = Overrides { name: "somebody".into(), ..Overrides::default() };
        self.server.in_process(self.pki.in_process("user", &overrides).unwrap())
    }
}

fn ready(pki: &Pki, events: Arc<Memory>) -> Ready {
    let trust = ClientTrust::new(pki.authority_pem("ca").unwrap(), None, Arc::new(NothingRevoked)).unwrap();
    let tokens = format!("{ROOT},root,1,\"system:masters\"\n{LOW},low,2,\n");
    let schemes = Schemes {
        tokens: vec![Arc::new(TokenFile::parse("tokens", &tokens).unwrap())],
        anonymous: Anonymous::default(),
        ..Schemes::default()
    };
    let health = Health::default().ready(Check::new("storage", || Err("canary-of-the-probe".into())));
    let oidc = Oidc {
        issuer: "https://kubernetes.default.svc".into(),
        jwks_uri: "https://192.0.2.1:6443/openid/v1/jwks".into(),
        keys: Arc::new(NoKeys),
    };
    Server::builder()
        .tls(server_config(pki.live("apiserver").unwrap()).unwrap(), trust)
        .authentication(Authenticator::new(schemes))
        .authorization(
            Authorities::built_in().with_chain(Chain::new().then(HealthForAll)),
            Arc::new(Fairness::new(std::iter::empty(), 600)),
        )
        .serving(events, stub(), Discovery::built_in("192.0.2.1:6443"))
        .audit_policy(Arc::new(Policy::everything()))
        .health(health)
        .oidc(oidc)
}

struct NoKeys;

impl PublishedKeys for NoKeys {
    fn jwks(&self) -> bytes::Bytes {
        bytes::Bytes::from_static(b"{\"keys\":[]}")
    }

    fn algorithms(&self) -> Vec<String> {
        vec!["RS256".into()]
    }
}

/// What the bootstrap policy says of health checks, and nothing else.
struct HealthForAll;

impl Authorizer for HealthForAll {
    fn name(&self) -> &'static str {
        "test"
    }

    fn decide(&self, _: &UserInfo, attributes: &Attributes<'_>) -> Decision {
        match attributes.subject {
            Subject::Path("/livez" | "/readyz" | "/healthz") => {
                Decision::allow(Reason::Said("health".into()))
            }
            _ => Decision::no_opinion(),
        }
    }

    fn rules(&self, _: &UserInfo, _: &str) -> Rules {
        Rules::default()
    }

    fn generation(&self, _: &UserInfo) -> u64 {
        0
    }
}

/// Answers with what reached it; some names do something else.
fn stub() -> Rest {
    BoxCloneSyncService::new(service_fn(|request: Authorized| async move {
        let name = request.info().resource().map(|target| target.name.to_string()).unwrap_or_default();
        let user = request.user().name.to_string();
        if request.info().verb == Verb::Watch {
            return Ok(Response::new(pending()));
        }
        let (_, body, _, _) = request.into_request();
        match &*name {
            "panic" => panic!("a bug"),
            "slow" => tokio::time::sleep(Duration::from_secs(30)).await,
            "stream" => return Ok(Response::new(pending())),
            "large" => return Ok(Response::new(full(vec![b'x'; 1 << 20]))),
            _ => {}
        }
        let body = collect(body, 3 << 20).await?;
        Ok::<_, ApiError>(Response::new(full(format!("{user} {name} {}", body.len()))))
    }))
}

/// A body that never says anything.
fn pending() -> Body {
    let forever =
        futures::stream::pending::<Result<http_body::Frame<bytes::Bytes>, portcullis_api::BodyError>>();
    http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(forever))
}

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn code(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Asks in process.
pub(crate) async fn ask(client: &InProcess, request: Request<Body>) -> Answer {
    let mut client = client.clone();
    let ready: &mut InProcess = client.ready().await.unwrap();
    let answer: Result<_, Infallible> = ready.call(request).await;
    let (head, body) = answer.unwrap().into_parts();
    let bytes = collect(body, 64 << 20).await.unwrap();
    Answer { head: Response::from_parts(head, ()), text: String::from_utf8_lossy(&bytes).into_owned() }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    with(path, &[])
}

pub(crate) fn with(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(portcullis_api::body::empty()).unwrap()
}
