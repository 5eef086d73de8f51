//! Servers are restarted one by one under load: no request fails but those that clients make again by themselves,
//! because they were never taken.
//!
//! Three kinds of clients: one connection a request, one that is kept (HTTP/1.1), one that is kept and shared
//! (HTTP/2). A connection that cannot be made is made elsewhere. A request that was sent on one and is not answered
//! has failed, as far as a client can tell; so has one that is answered badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use serde_json::json;

use crate::members::{Cluster, binaries};
use crate::together::{flags, servers};
use crate::wire::{Answer, Client, Stream};
use crate::world::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What came of a request.
enum Outcome {
    Answered(u16),
    /// It was not taken: a client makes it again.
    NotTaken,
    /// It was sent, and nothing is known of it.
    Unanswered(String),
}

/// The load and what came of it.
#[derive(Default)]
struct Load {
    servers: Mutex<Vec<Client>>,
    stop: AtomicBool,
    done: AtomicUsize,
    again: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Load {
    fn server(&self, turn: usize) -> Client {
        let servers = self.servers.lock();
        servers[turn % servers.len()].clone()
    }

    /// Creates and reads objects until told to stop.
    fn run(&self, kind: &str, mut client: impl Conduct) {
        let mut turn = 0;
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("{kind}-{number}");
            let body = json!({ "metadata": { "name": name } }).to_string();
            for (method, path, body, good) in
                [("POST", MAPS.to_owned(), &*body, 201), ("GET", format!("{MAPS}/{name}"), "", 200)]
            {
                let outcome = loop {
                    match client.ask(&self.server(turn), method, &path, body) {
                        Outcome::NotTaken => {
                            turn += 1;
                            self.again.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        outcome => break outcome,
                    }
                };
                let failure = match outcome {
                    Outcome::Answered(code) if code == good => None,
                    Outcome::Answered(code) => Some(code.to_string()),
                    Outcome::Unanswered(why) => Some(format!("no answer: {why}")),
                    Outcome::NotTaken => None,
                };
                self.failed.lock().extend(failure.map(|why| format!("{kind}: {method} {path}: {why}")));
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            // Spread over both servers also when nothing happens to the connection.
            turn += usize::from(number % 7 == 0);
        }
    }
}

/// A kind of client.
trait Conduct {
    fn ask(&mut self, server: &Client, method: &str, path: &str, body: &str) -> Outcome;
}

fn request(method: &str, path: &str, body: &str, end: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{end}\r\n{body}"
    )
    .into_bytes()
}

/// One connection a request.
struct Single;

impl Conduct for Single {
    fn ask(&mut self, server: &Client, method: &str, path: &str, body: &str) -> Outcome {
        let Ok(mut stream) = server.open() else { return Outcome::NotTaken };
        stream.send(&request(method, path, body, "Connection: close\r\n"));
        answered(&stream.rest())
    }
}

fn answered(bytes: &[u8]) -> Outcome {
    match Answer::parse(bytes).code {
        0 => Outcome::Unanswered(format!("{} bytes", bytes.len())),
        code => Outcome::Answered(code),
    }
}

/// One connection for many requests, given up when the server says so.
#[derive(Default)]
struct Kept(Option<Stream>);

impl Conduct for Kept {
    fn ask(&mut self, server: &Client, method: &str, path: &str, body: &str) -> Outcome {
        let mut stream = match self.0.take().map_or_else(|| server.open(), Ok) {
            Ok(stream) => stream,
            Err(_) => return Outcome::NotTaken,
        };
        stream.send(&request(method, path, body, ""));
        let bytes = stream.answer();
        let closes = Answer::parse(&bytes).header("connection") == Some("close");
        self.0 = (!bytes.is_empty() && !closes).then_some(stream);
        answered(&bytes)
    }
}

/// One HTTP/2 connection.
struct Shared {
    runtime: tokio::runtime::Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Shared {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, connection: None }
    }

    async fn connect(server: &Client) -> std::io::Result<SendRequest<Full<Bytes>>> {
        let socket = tokio::net::TcpStream::connect(server.address()).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(server.h2_config()).connect(name, socket).await?;
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn exchange(
        sender: &mut SendRequest<Full<Bytes>>,
        asked: Request<Full<Bytes>>,
    ) -> Result<u16, hyper::Error> {
        sender.ready().await?;
        let response = sender.send_request(asked).await?;
        let code = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(code)
    }
}

impl Conduct for Shared {
    fn ask(&mut self, server: &Client, method: &str, path: &str, body: &str) -> Outcome {
        let kept = self.connection.take().filter(|connection| !connection.is_closed());
        self.runtime.block_on(async {
            let mut sender = match kept {
                Some(sender) => sender,
                None => match Self::connect(server).await {
                    Ok(sender) => sender,
                    Err(_) => return Outcome::NotTaken,
                },
            };
            let asked = Request::builder()
                .method(method)
                .uri(format!("https://127.0.0.1{path}"))
                .header("content-type", "application/json")
                .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
                .unwrap();
            match Self::exchange(&mut sender, asked).await {
                Ok(code) => {
                    self.connection = Some(sender);
                    Outcome::Answered(code)
                }
                Err(error) if untaken(&error) => Outcome::NotTaken,
                Err(error) => Outcome::Unanswered(chain(&error)),
            }
        })
    }
}

/// Whether the server said, or it is plain, that the request was not looked at. Go's client makes those again.
fn untaken(error: &hyper::Error) -> bool {
    let said = chain(error);
    error.is_canceled() || said.contains("not a result of an error") || said.contains("refused stream")
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// How often each server is restarted; `PORTCULLIS_ROLLS=20` for a long run.
fn rolls() -> usize {
    std::env::var("PORTCULLIS_ROLLS").map_or(2, |text| text.parse().expect("a number"))
}

#[test]
fn servers_are_restarted_one_by_one_under_load_and_no_request_fails() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let mut servers = servers(&etcd, 2);
        let load = Arc::new(Load::default());
        *load.servers.lock() = servers.iter().map(|server| server.admin.clone()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| load.run("single", Single));
            scope.spawn(|| load.run("kept", Kept::default()));
            scope.spawn(|| load.run("kept-too", Kept::default()));
            scope.spawn(|| load.run("shared", Shared::new()));
            scope.spawn(|| load.run("shared-too", Shared::new()));
            for at in (0..rolls()).flat_map(|_| [0, 1]) {
                wait_for_work(&load);
                let dir = servers.remove(at).stop_for_restart();
                let back = dir.with_extension("again");
                std::fs::rename(&dir, &back).unwrap();
                let flags = flags(&etcd, at + 1);
                let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
                servers.insert(at, Server::start_in(back, &flags));
                load.servers.lock()[at] = servers[at].admin.clone();
            }
            wait_for_work(&load);
            load.stop.store(true, Ordering::Relaxed);
        });
        let (done, again) = (load.done.load(Ordering::Relaxed), load.again.load(Ordering::Relaxed));
        println!("{done} creates and gets, {again} of them made again");
        let failed = load.failed.lock();
        assert!(failed.is_empty(), "of {done}: {failed:#?}");
    }
}

fn wait_for_work(load: &Load) {
    let (before, begun) = (load.done.load(Ordering::Relaxed), Instant::now());
    while load.done.load(Ordering::Relaxed) < before + 40 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is done");
        std::thread::sleep(Duration::from_millis(20));
    }
}
