//! Asks a running server a few questions over mTLS, as the administrator of its data directory.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use portcullis_pki::{LiveCertificate, client_config};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::Failure;
use super::paths::DataDir;

/// A server that does not answer a small question in this time is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 4 << 20;

/// One connection.
pub(crate) struct Asker {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Asker {
    /// Connects to the server that wrote the directory's admin kubeconfig.
    pub(crate) async fn connect(dir: &DataDir) -> Result<Self, Failure> {
        let access = Access::read(dir)?;
        let what = format!("{} does not answer", access.server);
        let late = |_| Failure::because(what.clone(), format!("it took more than {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, access.dial())
            .await
            .map_err(late)?
            .map_err(|why| Failure::because(what.clone(), why))
    }

    /// The answer to a GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), Failure> {
        self.send(Method::GET, path, None).await
    }

    /// The answer to a request, with a body of JSON or none.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let what = format!("{method} {path} was not answered");
        let what = || what.clone();
        let body = body.map(Value::to_string).unwrap_or_default();
        match timeout(PATIENCE, self.exchange(method, path, body)).await {
            Ok(answer) => answer.map_err(|why| Failure::because(what(), why)),
            Err(_) => Err(Failure::because(what(), format!("it took more than {} s", PATIENCE.as_secs()))),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json, text/plain")
            .header(header::USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let response = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

/// Where the server is and what proves who asks.
struct Access {
    server: String,
    authorities: String,
    certificate: String,
    key: Zeroizing<String>,
}

impl Access {
    fn read(dir: &DataDir) -> Result<Self, Failure> {
        let path = dir.admin_kubeconfig();
        let what = || format!("{} cannot be used", path.display());
        let text = std::fs::read_to_string(&path)
            .map(Zeroizing::new)
            .map_err(|error| Failure::caused(what(), &error))?;
        // The parser's own words may quote the key.
        let config: Value =
            serde_saphyr::from_str(&text).map_err(|_| Failure::because(what(), "it is no valid YAML"))?;
        let word = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let decoded = |pointer: &str| {
            let bytes = STANDARD.decode(word(pointer)).ok()?;
            String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
        };
        let user = "/users/0/user/client";
        let parts = (
            decoded("/clusters/0/cluster/certificate-authority-data"),
            decoded(&format!("{user}-certificate-data")),
            decoded(&format!("{user}-key-data")),
        );
        let (Some(authorities), Some(certificate), Some(key)) = parts else {
            return Err(Failure::because(what(), "it holds no client certificate"));
        };
        let server = word("/clusters/0/cluster/server").to_owned();
        Ok(Self { server, authorities, certificate, key: Zeroizing::new(key) })
    }

    async fn dial(self) -> Result<Asker, String> {
        let uri: Uri = self.server.parse().map_err(|_| "the address is malformed".to_owned())?;
        let (authority, host) =
            (uri.authority().ok_or("there is no address")?, uri.host().unwrap_or_default());
        let identity = LiveCertificate::from_pem(&self.certificate, &self.key).map_err(|e| e.to_string())?;
        let config = client_config(&self.authorities, Some(identity)).map_err(|e| e.to_string())?;
        let mut config = (*config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name =
            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|e| e.to_string())?;
        let socket = TcpStream::connect(authority.as_str()).await.map_err(|e| e.to_string())?;
        let stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, socket).await;
        let stream = TokioIo::new(stream.map_err(|e| e.to_string())?);
        let (sender, connection) = handshake(stream).await.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        Ok(Asker { authority: authority.to_string(), sender })
    }
}
