//! A TLS client that sends exactly the bytes it is given.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;

/// How long an answer may take: no machine is so busy, what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server is and who asks.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    bearer: Option<String>,
}

impl Client {
    /// A client without credentials that trusts this authority.
    pub(crate) fn anonymous(address: SocketAddr, authority: &[u8]) -> Self {
        Self { address, config: config(authority, None), bearer: None }
    }

    /// One with a certificate.
    pub(crate) fn certified(address: SocketAddr, authority: &[u8], chain: &[u8], key: &[u8]) -> Self {
        let chain = CertificateDer::pem_slice_iter(chain).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        Self { address, config: config(authority, Some((chain, key))), bearer: None }
    }

    /// The same with a token.
    pub(crate) fn bearer(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client of another server.
    #[allow(dead_code, reason = "only tests/servers asks for it")]
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The configuration for HTTP/2.
    pub(crate) fn h2_config(&self) -> Arc<ClientConfig> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, body)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub(crate) fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// A patch of the given type: `merge`, `strategic`, `json` or `apply`.
    pub(crate) fn patch(&self, kind: &str, path: &str, body: &Value) -> Answer {
        let content = match kind {
            "merge" => "application/merge-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "json" => "application/json-patch+json",
            _ => "application/apply-patch+yaml",
        };
        self.send("PATCH", path, &[("Content-Type", content)], body.to_string().as_bytes())
    }

    /// A request with further headers.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        if let Some(token) = &self.bearer {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        Answer::parse(&self.raw(&[head.as_bytes(), body].concat()))
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        match self.open() {
            Ok(mut stream) => {
                stream.send(bytes);
                stream.rest()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Opens a connection; an error is a refused handshake.
    pub(crate) fn open(&self) -> std::io::Result<Stream> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(self.config.clone(), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(in_time)?;
        }
        Ok(Stream(stream))
    }
}

/// An error that is not for want of an answer: a server that hangs is no server that hung up.
#[track_caller]
fn in_time(error: std::io::Error) -> std::io::Error {
    let hangs = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!hangs, "nothing came for {PATIENCE:?}");
    error
}

/// An open connection.
pub(crate) struct Stream(StreamOwned<ClientConnection, TcpStream>);

impl Stream {
    /// Sends bytes; a server that hung up already is no error here.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).and_then(|()| self.0.flush());
    }

    /// What comes next; nothing once the server hung up.
    fn read(&mut self, part: &mut [u8]) -> usize {
        loop {
            match self.0.read(part) {
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    in_time(error);
                    return 0;
                }
            }
        }
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = [0; 16384];
        loop {
            match self.read(&mut part) {
                0 => return all,
                count => all.extend_from_slice(&part[..count]),
            }
        }
    }

    /// Reads until the bytes seen contain `mark`.
    pub(crate) fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = [0; 16384];
        while !all.windows(mark.len()).any(|window| window == mark) {
            match self.read(&mut part) {
                0 => return all,
                count => all.extend_from_slice(&part[..count]),
            }
        }
        all
    }

    /// One answer with a length, for connections that are kept; what came of it if the server closes first.
    #[allow(dead_code, reason = "only tests/servers asks for it")]
    pub(crate) fn answer(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = [0; 16384];
        loop {
            if let Some(head) = all.windows(4).position(|window| window == b"\r\n\r\n") {
                let length =
                    Answer::parse(&all[..head + 4]).header("content-length").and_then(|l| l.parse().ok());
                if all.len() >= head + 4 + length.unwrap_or(0) {
                    return all;
                }
            }
            match self.read(&mut part) {
                0 => return all,
                count => all.extend_from_slice(&part[..count]),
            }
        }
    }

    /// The certificates the server showed.
    pub(crate) fn server_chain(&self) -> Vec<Vec<u8>> {
        self.0.conn.peer_certificates().unwrap_or_default().iter().map(|c| c.to_vec()).collect()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first answer in these bytes; code 0 if there is none.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 4..]),
            None => (bytes, &[][..]),
        };
        let head = String::from_utf8_lossy(head).into_owned();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut answer = Self { code, head, body: Vec::new() };
        let chunked = answer.header("transfer-encoding").is_some();
        answer.body = if chunked { unchunk(body) } else { body.to_vec() };
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn tree(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Fails the test unless the code is one of these.
    #[track_caller]
    pub(crate) fn is(self, codes: &[u16], what: impl std::fmt::Display) -> Self {
        assert!(codes.contains(&self.code), "{what}: not in {codes:?}: {}\n{}", self.head, self.text());
        self
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size =
            std::str::from_utf8(&bytes[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && bytes.len() >= end + 4 + size) else { break };
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    whole
}

fn config(
    authority: &[u8],
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    })
}
