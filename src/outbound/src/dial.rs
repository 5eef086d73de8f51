//! From an address to a TCP connection.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use crate::AddressGuard;

const ATTEMPT: Duration = Duration::from_secs(10);
const MAX_ADDRESSES: usize = 16;

/// Knows where a Service of the cluster can be reached.
#[async_trait]
pub trait ServiceRoutes: Send + Sync + 'static {
    /// Addresses of the port of the service, the best first. The error is for the log and for the
    /// message of the call that failed.
    async fn addresses(&self, namespace: &str, name: &str, port: u16) -> Result<Vec<SocketAddr>, String>;
}

/// A Service of the cluster.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) routes: Arc<dyn ServiceRoutes>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// Opens connections, to addresses the guard permits only.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) guard: AddressGuard,
    pub(crate) route: Option<Route>,
}

/// Why there is no connection, in Go's words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("dial tcp: lookup {host}: no such host")]
    NoSuchHost { host: String },
    #[error("dial tcp {address}: {}", words(cause))]
    Refused { address: SocketAddr, cause: io::Error },
    #[error("dial tcp {0}: i/o timeout")]
    TimedOut(SocketAddr),
    #[error("dial tcp {0}: the address is no place for a call of the server")]
    Forbidden(IpAddr),
    #[error("{0}")]
    NoRoute(String),
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::ConnectionReset => "connect: connection reset by peer".to_owned(),
        io::ErrorKind::TimedOut => "connect: connection timed out".to_owned(),
        other => format!("connect: {other}"),
    }
}

impl Dialer {
    async fn dial(self, uri: Uri) -> Result<TokioIo<TcpStream>, DialError> {
        let mut last = None;
        for address in self.addresses(&uri).await?.into_iter().take(MAX_ADDRESSES) {
            match self.attempt(address).await {
                Ok(stream) => return Ok(TokioIo::new(stream)),
                // The first failure is the telling one.
                Err(error) => last = last.or(Some(error)),
            }
        }
        Err(last.unwrap_or_else(|| DialError::NoSuchHost { host: host(&uri).to_owned() }))
    }

    async fn addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, DialError> {
        if let Some(Route { routes, namespace, name, port }) = &self.route {
            return routes.addresses(namespace, name, *port).await.map_err(DialError::NoRoute);
        }
        let (host, port) = (host(uri), port(uri));
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|_| DialError::NoSuchHost { host: host.to_owned() })?;
        Ok(found.collect())
    }

    async fn attempt(&self, address: SocketAddr) -> Result<TcpStream, DialError> {
        if !self.guard.permits(address.ip()) {
            return Err(DialError::Forbidden(address.ip()));
        }
        let refused = |cause| DialError::Refused { address, cause };
        let connected = tokio::time::timeout(ATTEMPT, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| DialError::TimedOut(address))?.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        Ok(stream)
    }
}

/// The host of an address, an IPv6 one without its brackets.
pub(crate) fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The port of an address, or its scheme's.
pub(crate) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}
