//! A TLS server of this machine that answers as told.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_pki::{LiveCertificate, server_config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The server: its address, whom to believe, what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) authorities: String,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<Mutex<usize>>,
}

impl Server {
    /// Answers the requests with these texts in turn, the last one again and again.
    pub(crate) async fn answering(answers: Vec<String>) -> Self {
        let (authorities, certificate) = certificate();
        let mut config = server_config(certificate).unwrap().as_ref().clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            authorities,
            heard: Arc::default(),
            connections: Arc::default(),
        };
        let (heard, connections) = (server.heard.clone(), server.connections.clone());
        let answers = Arc::new(Mutex::new(answers));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *connections.lock() += 1;
                tokio::spawn(serve(acceptor.clone(), socket, heard.clone(), answers.clone()));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.address.port())
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    socket: tokio::net::TcpStream,
    heard: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<String>>>,
) {
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        heard.lock().push(text.clone());
        read.clear();
        let answer = {
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        };
        if answer == "silence" {
            continue;
        }
        if stream.write_all(answer.as_bytes()).await.is_err() || answer.contains("connection: close") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// A whole answer.
pub(crate) fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn certificate() -> (String, Arc<LiveCertificate>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "hook.ns.svc".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let live = LiveCertificate::from_pem(&leaf.pem(), &key.serialize_pem()).unwrap();
    (authority.pem(), live)
}
