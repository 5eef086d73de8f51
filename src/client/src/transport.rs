//! How requests reach the server: without a socket, or over mutual TLS.

use std::path::Path;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::ConfigExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use portcullis_api::Body;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

/// The namespace of clients that name none, as upstream.
const DEFAULT_NAMESPACE: &str = "default";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that went away silently is noticed within the sum of these.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read or contradicts itself.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] Box<KubeconfigError>),
    /// The user agent holds what no header may.
    #[error("the user agent {0:?} cannot be sent")]
    UserAgent(String),
    /// The transport cannot be set up.
    #[error("the transport cannot be set up")]
    Transport(#[source] Box<kube::Error>),
}

/// A client that speaks to a server of this process. The service already knows whose requests these are.
///
/// Field ownership is recorded under the user agent's part before the slash. Must be called within a
/// Tokio runtime.
pub fn in_process<S>(service: S, user_agent: &str) -> Result<Client, ConnectError>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    let agent = agent(user_agent)?;
    let service = service.map_request(move |request: Request<kube::client::Body>| {
        let mut request = request.map(|body| body.map_err(BoxError::from).boxed_unsync());
        request.headers_mut().insert(USER_AGENT, agent.clone());
        request
    });
    Ok(Client::new(service, DEFAULT_NAMESPACE))
}

/// A client over TLS whose configuration holds the server's authorities and our identity. One HTTP/2
/// connection carries it all, watches included.
pub fn mutual_tls(server: Uri, tls: &rustls::ClientConfig, user_agent: &str) -> Result<Client, ConnectError> {
    let agent = agent(user_agent)?;
    let mut tls = tls.clone();
    // The connector announces the protocols it was built with, and refuses to be told.
    tls.alpn_protocols.clear();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .wrap_connector(tcp);
    let transport = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .build(connector);
    let base = kube::Config::new(server).base_uri_layer();
    let service = ServiceBuilder::new()
        .map_request(move |mut request: Request<kube::client::Body>| {
            request.headers_mut().insert(USER_AGENT, agent.clone());
            request
        })
        .layer(base)
        .service(transport);
    Ok(Client::new(service, DEFAULT_NAMESPACE))
}

/// A client for a kubeconfig's context, or for its current one.
pub async fn kubeconfig(path: &Path, context: Option<&str>) -> Result<Client, ConnectError> {
    let unusable = |error| ConnectError::Kubeconfig(Box::new(error));
    let file = Kubeconfig::read_from(path).map_err(unusable)?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(file, &options).await.map_err(unusable)?;
    Client::try_from(config).map_err(|error| ConnectError::Transport(Box::new(error)))
}

fn agent(user_agent: &str) -> Result<HeaderValue, ConnectError> {
    HeaderValue::from_str(user_agent).map_err(|_| ConnectError::UserAgent(user_agent.to_owned()))
}

#[cfg(test)]
mod tests;
