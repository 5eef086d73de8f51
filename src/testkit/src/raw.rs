//! HTTP/1.1 over TLS by hand: what is sent is what the test wrote, odd paths and broken headers included.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

/// No answer of a healthy server takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// No answer of a test is larger.
const LARGEST: usize = 64 << 20;

/// A TLS connection that sends bytes as they are.
pub struct RawClient {
    stream: TlsStream<TcpStream>,
    /// Read, but not yet asked for.
    ahead: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, values as they came, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, freed of its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr, config: &ClientConfig) -> Result<Self> {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, tcp)).await??;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Sends a request and reads its answer.
    pub async fn request(&mut self, bytes: impl AsRef<[u8]>) -> Result<Answer> {
        self.send(bytes).await?;
        self.answer().await
    }

    /// Sends a GET of a path, which goes out as it is.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.request(format!("GET {path} HTTP/1.1\r\nhost: testkit\r\n\r\n")).await
    }

    /// Reads one answer.
    pub async fn answer(&mut self) -> Result<Answer> {
        timeout(PATIENCE, self.read_answer()).await?
    }

    /// Whether the server closed the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let read = timeout(PATIENCE, self.more()).await;
        self.ahead.is_empty() && !matches!(read, Err(_) | Ok(Ok(true)))
    }

    async fn read_answer(&mut self) -> Result<Answer> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().parse()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        answer.body = self.body(&answer).await?;
        Ok(answer)
    }

    async fn body(&mut self, answer: &Answer) -> Result<Vec<u8>> {
        if answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks().await;
        }
        match answer.header("content-length") {
            Some(length) => self.exactly(length.parse()?).await,
            None => self.rest().await,
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await?)?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            if size == 0 {
                // Trailers, up to the empty line that ends the answer.
                while !self.until(b"\r\n").await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
        }
    }

    /// The bytes before a mark, which is taken too.
    async fn until(&mut self, mark: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(mark.len()).position(|window| window == mark) {
                let taken: Vec<u8> = self.ahead.drain(..at + mark.len()).take(at).collect();
                return Ok(taken);
            }
            self.need_more().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.ahead.len() < count {
            self.need_more().await?;
        }
        Ok(self.ahead.drain(..count).collect())
    }

    async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.more().await? {}
        Ok(std::mem::take(&mut self.ahead))
    }

    async fn need_more(&mut self) -> Result<()> {
        if self.more().await? { Ok(()) } else { Err("the connection was closed within an answer".into()) }
    }

    /// Reads some bytes; `false` at the end.
    async fn more(&mut self) -> Result<bool> {
        if self.ahead.len() > LARGEST {
            return Err("the answer is too large".into());
        }
        let read = self.stream.read_buf(&mut self.ahead).await;
        match read {
            Ok(count) => Ok(count > 0),
            // A peer that goes without a goodbye is gone all the same.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
