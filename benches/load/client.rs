//! Connections over TLS, HTTP/2 or HTTP/1.1.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{Failure, Options};

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Client {
    options: Arc<Options>,
    tls: TlsConnector,
}

/// A place to send requests: a stream of a shared connection, or a connection of its own.
pub(crate) enum Lane {
    Two(http2::SendRequest<Full<Bytes>>),
    One(http1::SendRequest<Full<Bytes>>),
}

/// What is asked.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) media: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) gzip: bool,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::with(Method::GET, path, Vec::new())
    }

    pub(crate) fn with(method: Method, path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method,
            path: path.into(),
            media: "application/json",
            accept: "application/json",
            gzip: false,
            body,
        }
    }

    pub(crate) fn media(self, media: &'static str) -> Self {
        Self { media, ..self }
    }

    pub(crate) fn accept(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    pub(crate) fn gzip(self) -> Self {
        Self { gzip: true, ..self }
    }
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_file_iter(&options.ca)? {
            roots.add(authority?)?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match (&options.cert, &options.key) {
            (Some(cert), Some(key)) => {
                let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![if options.http1 { b"http/1.1".to_vec() } else { b"h2".to_vec() }];
        Ok(Self { options: Arc::new(options.clone()), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// So many lanes; over HTTP/2 they share the connections.
    pub(crate) async fn lanes(&self, count: usize) -> Result<Vec<Lane>, Failure> {
        let mut lanes = Vec::with_capacity(count);
        if self.options.http1 {
            for _ in 0..count {
                lanes.push(Lane::One(self.one().await?));
            }
            return Ok(lanes);
        }
        let mut connections = Vec::new();
        for _ in 0..self.options.connections.clamp(1, count.max(1)) {
            connections.push(self.two().await?);
        }
        lanes.extend(connections.iter().cycle().take(count).map(|connection| Lane::Two(connection.clone())));
        Ok(lanes)
    }

    async fn two(&self) -> Result<http2::SendRequest<Full<Bytes>>, Failure> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(8 << 20).initial_connection_window_size(64 << 20);
        let (sender, connection) = builder.handshake(TokioIo::new(self.dial().await?)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn one(&self) -> Result<http1::SendRequest<Full<Bytes>>, Failure> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.dial().await?)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn dial(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
        let stream = TcpStream::connect(&self.options.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.options.name.clone())?;
        Ok(self.tls.connect(name, stream).await?)
    }

    /// The request for what is asked.
    pub(crate) fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, Failure> {
        let address = &self.options.address;
        let mut builder = Request::builder()
            .method(ask.method)
            .header(ACCEPT, ask.accept)
            .header(USER_AGENT, "portcullis-load");
        builder = match self.options.http1 {
            true => builder.uri(&ask.path).header(HOST, address),
            false => builder.uri(format!("https://{address}{}", ask.path)),
        };
        if ask.gzip {
            builder = builder.header("accept-encoding", "gzip");
        }
        if !ask.body.is_empty() {
            builder = builder.header(CONTENT_TYPE, ask.media);
        }
        if let Some(token) = &self.options.token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(builder.body(Full::new(Bytes::from(ask.body)))?)
    }

    /// Asks once and reads the answer.
    pub(crate) async fn ask(&self, lane: &mut Lane, ask: Ask) -> Result<(u16, Bytes), Failure> {
        let response = lane.send(self.request(ask)?).await?;
        let code = response.status().as_u16();
        Ok((code, response.into_body().collect().await?.to_bytes()))
    }
}

impl Lane {
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        Ok(match self {
            Self::Two(connection) => connection.clone().send_request(request).await?,
            Self::One(connection) => {
                connection.ready().await?;
                connection.send_request(request).await?
            }
        })
    }
}
