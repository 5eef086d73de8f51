//! A TLS server of this machine that answers each path as told.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_pki::{LiveCertificate, server_config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The server: where it is, whom to believe, what it was sent.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) authorities: String,
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (authorities, certificate) = certificate();
        let mut config = server_config(certificate).unwrap().as_ref().clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = Self { url, authorities, answers: Arc::default(), heard: Arc::default() };
        let (answers, heard) = (server.answers.clone(), server.heard.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), socket, answers.clone(), heard.clone()));
            }
        });
        server
    }

    /// Answers a path with this from now on.
    pub(crate) fn answer(&self, path: &str, status: u16, body: impl ToString) {
        self.answers.lock().insert(path.to_owned(), (status, body.to_string()));
    }

    /// The bodies that came to a path.
    pub(crate) fn heard(&self, path: &str) -> Vec<String> {
        let heard = self.heard.lock();
        heard.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    heard: Arc<Mutex<Vec<(String, String)>>>,
) {
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines().map(str::to_lowercase);
        let length = lines.find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let (status, answer) = answers.lock().get(&path).cloned().unwrap_or((404, String::new()));
        heard.lock().push((path, body.to_owned()));
        read.clear();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn certificate() -> (String, Arc<LiveCertificate>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let live = LiveCertificate::from_pem(&leaf.pem(), &key.serialize_pem()).unwrap();
    (authority.pem(), live)
}
