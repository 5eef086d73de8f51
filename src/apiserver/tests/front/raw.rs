//! A TLS client that sends bytes as they are and normalises nothing.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::World;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Raw(TlsStream<TcpStream>);

impl Raw {
    pub(crate) async fn http1(world: &World) -> Self {
        Self::connect(world, b"http/1.1").await
    }

    pub(crate) async fn http2(world: &World) -> Self {
        Self::connect(world, b"h2").await
    }

    async fn connect(world: &World, protocol: &[u8]) -> Self {
        let mut config = (*world.tls).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(world.server.local_addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The server may close while we still send; what it answered is what counts.
        self.0.write_all(bytes).await.ok();
        self.0.flush().await.ok();
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let closed = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                match self.0.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => all.extend_from_slice(&buffer[..n]),
                }
            }
        };
        timeout(PATIENCE, closed).await.expect("the server closes the connection");
        all
    }

    /// What comes within a moment.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let n = timeout(PATIENCE, self.0.read(&mut buffer)).await.expect("the server answers").unwrap_or(0);
        buffer.truncate(n);
        buffer
    }
}

/// How many answers a stream of HTTP/1.1 holds.
pub(crate) fn answers(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches("HTTP/1.1 ").count()
}

/// The code of the first answer; 0 if there is none.
pub(crate) fn code(bytes: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(bytes);
    text.strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}
