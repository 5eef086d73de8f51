//! A webhook on this machine that answers as a test tells it: well, badly, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use portcullis_pki::{LiveCertificate, server_config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Result;

/// What a webhook does with a question.
#[derive(Clone, Debug)]
pub enum HookReply {
    /// Answers with JSON.
    Json(Value),
    /// Writes these bytes, which are a whole answer or not.
    Raw(String),
    /// Announces and sends so many bytes.
    Flood(usize),
    /// Keeps the connection and says nothing.
    Silence,
    /// Closes the connection.
    Hangup,
}

type Script = Arc<dyn Fn(&Value) -> HookReply + Send + Sync>;

/// A webhook; it ends when it is dropped.
pub struct Webhook {
    address: SocketAddr,
    authorities: String,
    heard: Arc<Mutex<Vec<Value>>>,
    server: AbortHandle,
}

impl Webhook {
    /// Answers each question by the script.
    pub async fn start(script: impl Fn(&Value) -> HookReply + Send + Sync + 'static) -> Result<Self> {
        let (authorities, certificate) = certificate()?;
        let mut config = server_config(certificate)?.as_ref().clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (script, told): (Script, _) = (Arc::new(script), heard.clone());
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, script, heard) = (acceptor.clone(), script.clone(), told.clone());
                tokio::spawn(async move {
                    // A client that goes away is no failure of a webhook.
                    let _ = serve(acceptor, socket, script, heard).await;
                });
            }
        });
        Ok(Self { address, authorities, heard, server: server.abort_handle() })
    }

    /// The `clientConfig` that names it.
    pub fn client_config(&self) -> Value {
        json!({
            "url": format!("https://127.0.0.1:{}/hook", self.address.port()),
            "caBundle": STANDARD.encode(&self.authorities),
        })
    }

    /// The questions so far.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    script: Script,
    heard: Arc<Mutex<Vec<Value>>>,
) -> Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut ahead = Vec::new();
    loop {
        let question = read(&mut stream, &mut ahead).await?;
        let reply = script(&question);
        heard.lock().push(question);
        match reply {
            HookReply::Json(value) => {
                let body = value.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await?;
            }
            HookReply::Raw(text) => {
                stream.write_all(text.as_bytes()).await?;
                return Ok(stream.shutdown().await?);
            }
            HookReply::Flood(size) => flood(&mut stream, size).await?,
            HookReply::Silence => std::future::pending().await,
            HookReply::Hangup => return Ok(()),
        }
    }
}

async fn flood(stream: &mut TlsStream<TcpStream>, size: usize) -> Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let block = vec![b' '; 64 << 10];
    for _ in 0..size / block.len() {
        stream.write_all(&block).await?;
    }
    Ok(())
}

/// Reads one request and gives its body back.
async fn read(stream: &mut TlsStream<TcpStream>, ahead: &mut Vec<u8>) -> Result<Value> {
    loop {
        if let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(ahead.get(..end).unwrap_or_default()).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.unwrap_or("0").trim().parse::<usize>()?;
            if ahead.len() >= whole {
                let request: Vec<u8> = ahead.drain(..whole).collect();
                return Ok(serde_json::from_slice(request.get(end + 4..).unwrap_or_default())?);
            }
        }
        if stream.read_buf(ahead).await? == 0 {
            return Err("the client is gone".into());
        }
    }
}

fn certificate() -> Result<(String, Arc<LiveCertificate>)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
    Ok((authority.pem(), LiveCertificate::from_pem(&leaf.pem(), &key.serialize_pem())?))
}
