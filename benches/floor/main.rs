//! The floor: what a server costs that decides and stores nothing, and only hands out ready bytes over TLS
//! and HTTP, with the same libraries as this server's own. `benches/load` asks it as it asks any server.
//!
//! ```text
//! cargo bench --bench floor -- --dir DIR       # writes DIR/ca.pem and DIR/address
//! cargo bench --bench load -- --address ADDRESS --ca DIR/ca.pem --pids PID --phases get,list,watch
//! ```

mod answers;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use answers::Answers;

/// What goes wrong: a benchmark says so and stops.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where to write, and how much to hold ready.
#[derive(Parser, Debug)]
struct Options {
    /// Where the certificate and the address are written.
    #[arg(long)]
    dir: PathBuf,
    /// Objects of a list.
    #[arg(long, default_value_t = 10_000)]
    objects: usize,
    /// `cargo bench` adds this.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let acceptor = TlsAcceptor::from(Arc::new(tls(&options)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let answers = Arc::new(Answers::new(options.objects));
    std::fs::write(options.dir.join("address"), listener.local_addr()?.to_string())?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(acceptor.clone(), stream, answers.clone()));
    }
}

fn tls(options: &Options) -> Result<ServerConfig, Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(options.dir.join("ca.pem"), made.cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.into()], key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, answers: Arc<Answers>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(acceptor.accept(stream).await?);
    let service = service_fn(|request| {
        let answers = answers.clone();
        async move { answers.answer(request).await }
    });
    auto::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
}
