//! The accept loop: TCP, TLS, HTTP, each with a ceiling and a time limit.
//!
//! ```text
//! accept -> Slot (total and per address) -> TLS handshake -> Peer -> ALPN -> HTTP/2 | HTTP/1.1 -> the stack
//! shutdown: stop accepting, GOAWAY or the last answer, finish what is in flight, within bounds
//! ```

mod connection;
mod gather;
mod patient;
mod slots;
mod together;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use portcullis_pki::ClientTrust;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

pub use slots::ConnectionCeilings;

use crate::metrics::Metrics;
use crate::stack::Api;
use connection::Served;
use slots::Slots;

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// How many connections there may be.
    pub connections: ConnectionCeilings,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a request's head may take, the wait for it included.
    pub head: Duration,
    /// How long an HTTP/2 connection may be without a request.
    pub idle: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub patience: Duration,
    /// How large a request's head may be.
    pub head_bytes: u32,
    /// How many streams an HTTP/2 connection may have.
    pub streams: u32,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            connections: ConnectionCeilings::default(),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            idle: Duration::from_secs(180),
            patience: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            streams: 250,
        }
    }
}

/// A bound socket and what its connections are served with.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) trust: Arc<ClientTrust>,
    pub(crate) api: Api,
    pub(crate) config: ListenerConfig,
    pub(crate) metrics: Metrics,
}

impl Listener {
    /// Accepts until told to stop, then waits for the connections to end. Dropping it cuts them off.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { socket, tls, trust, api, config, metrics } = self;
        let slots = Slots::new(config.connections);
        let served = Arc::new(Served { tls, trust, api, config, metrics, stop: stop.clone() });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = socket.accept() => match admit(accepted, &slots).await {
                    Some(admitted) => drop(connections.spawn(serve(served.clone(), admitted))),
                    None => continue,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        // Who was connected by the kernel and not accepted yet is served like the others.
        while let Some(accepted) = socket.accept().now_or_never() {
            let Some(admitted) = admit(accepted, &slots).await else { break };
            connections.spawn(serve(served.clone(), admitted));
        }
        drop(socket);
        while connections.join_next().await.is_some() {}
    }
}

/// Serves a connection that found a place.
async fn serve(served: Arc<Served>, (stream, address, slot): (TcpStream, SocketAddr, slots::Slot)) {
    served.connection(stream, address).await;
    drop(slot);
}

/// Waits for the word to stop, or for there to be nobody left to give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stopping| *stopping).await.ok();
}

/// A connection that found a place, or nothing.
async fn admit(
    accepted: io::Result<(TcpStream, SocketAddr)>,
    slots: &Slots,
) -> Option<(TcpStream, SocketAddr, slots::Slot)> {
    let (stream, address) = match accepted {
        Ok(accepted) => accepted,
        Err(cause) => {
            // Out of file descriptors, mostly; they come back when connections end.
            warn!(%cause, "Cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        }
    };
    let Some(slot) = slots.take(address.ip()) else {
        debug!(%address, "Too many connections");
        return None;
    };
    Some((stream, address, slot))
}
