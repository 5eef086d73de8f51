//! A KMS plugin for tests, which can misbehave: gRPC by hand over HTTP/2 on a unix socket.
//!
//! Shared by the tests of the store and those of the program, which include this file. Seeds are sealed by
//! adding the bytes of the key they are sealed under.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;

/// How the plugin behaves, and what it was asked.
pub struct Behaviour {
    /// The key that new seeds are sealed under.
    pub key_id: String,
    /// What `Status` says instead of that key.
    pub claims: Option<String>,
    /// What `Status` says of its health and version.
    pub healthz: String,
    pub version: String,
    /// How long every answer takes.
    pub delay: Duration,
    /// Answers are bytes that are no message.
    pub garbage: bool,
    /// What is opened is opened to something else.
    pub lies: bool,
    /// `Decrypt` fails.
    pub refuses: bool,
    /// Bytes that a sealed seed has more.
    pub padding: usize,
    pub annotations: Vec<(String, Vec<u8>)>,
    /// How often each method was called.
    pub calls: HashMap<String, usize>,
    keys: HashMap<String, u8>,
}

/// A running plugin; it stops when dropped.
pub struct Plugin {
    behaviour: Arc<Mutex<Behaviour>>,
    socket: PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Plugin {
    /// Starts one on a socket.
    pub fn start(socket: &Path) -> Self {
        let behaviour = Behaviour {
            key_id: "key-1".to_owned(),
            claims: None,
            healthz: "ok".to_owned(),
            version: "v2".to_owned(),
            delay: Duration::ZERO,
            garbage: false,
            lies: false,
            refuses: false,
            padding: 0,
            annotations: vec![("test.portcullis.dev".to_owned(), b"kept".to_vec())],
            calls: HashMap::new(),
            keys: HashMap::new(),
        };
        Self::resume(socket, Arc::new(Mutex::new(behaviour)))
    }

    /// How it behaves and the keys it has, to start it again with.
    pub fn keys(&self) -> Arc<Mutex<Behaviour>> {
        self.behaviour.clone()
    }

    /// Starts one as it was before.
    pub fn resume(socket: &Path, behaviour: Arc<Mutex<Behaviour>>) -> Self {
        let _ = std::fs::remove_file(socket);
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (path, shared) = (socket.to_owned(), behaviour.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = UnixListener::bind(path).unwrap();
                ready.send(()).unwrap();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            let shared = shared.clone();
                            let io = TokioIo::new(accepted.unwrap().0);
                            tokio::spawn(async move {
                                let service = hyper::service::service_fn(move |request| answer(shared.clone(), request));
                                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                    .serve_connection(io, service)
                                    .await;
                            });
                        }
                        _ = &mut stopped => return,
                    }
                }
            });
        });
        is_ready.recv().unwrap();
        Self { behaviour, socket: socket.to_owned(), stop: Some(stop), thread: Some(thread) }
    }

    /// Its behaviour, to look at and to change.
    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap()
    }

    /// Stops it and starts it again, its keys kept, around something.
    pub fn gone<T>(&mut self, meanwhile: impl FnOnce() -> T) -> T {
        self.stop();
        let done = meanwhile();
        *self = Self::resume(&self.socket.clone(), self.behaviour.clone());
        done
    }

    /// Stops it; the socket is gone.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
            self.thread.take().unwrap().join().unwrap();
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.stop();
    }
}

type Answer =
    Response<StreamBody<futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>>;

async fn answer(behaviour: Arc<Mutex<Behaviour>>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let delay = {
        let mut behaviour = behaviour.lock().unwrap();
        *behaviour.calls.entry(method.clone()).or_default() += 1;
        behaviour.delay
    };
    tokio::time::sleep(delay).await;
    let asked = fields(body.get(5..).unwrap_or_default());
    let reply = behaviour.lock().unwrap().reply(&method, &asked);
    Ok(match reply {
        Ok(message) => grpc(Some(message), "0", ""),
        Err(why) => grpc(None, "2", &why),
    })
}

impl Behaviour {
    fn reply(&mut self, method: &str, asked: &HashMap<u8, Bytes>) -> Result<Bytes, String> {
        if self.garbage {
            return Ok(Bytes::from_static(b"\xff\xff\xff\xffgarbage"));
        }
        let field = |number: u8| asked.get(&number).cloned().unwrap_or_default();
        let mut out = BytesMut::new();
        match method {
            "Status" => {
                put(&mut out, 1, self.version.as_bytes());
                put(&mut out, 2, self.healthz.as_bytes());
                put(&mut out, 3, self.claims.as_ref().unwrap_or(&self.key_id).as_bytes());
            }
            "Encrypt" => {
                let key_id = self.key_id.clone();
                let mut sealed = self.shift(&key_id, &field(1), true);
                sealed.extend(std::iter::repeat_n(0, self.padding));
                put(&mut out, 1, &sealed);
                put(&mut out, 2, key_id.as_bytes());
                for (name, value) in &self.annotations {
                    let mut entry = BytesMut::new();
                    put(&mut entry, 1, name.as_bytes());
                    put(&mut entry, 2, value);
                    put(&mut out, 3, &entry);
                }
            }
            "Decrypt" => {
                let key_id = String::from_utf8(field(3).to_vec()).unwrap();
                if self.refuses || !self.keys.contains_key(&key_id) {
                    return Err("no such key".to_owned());
                }
                let opened = self.shift(&key_id, &field(1), false);
                put(&mut out, 1, if self.lies { &[9; 32] } else { &opened });
            }
            other => return Err(format!("no method {other}")),
        }
        Ok(out.freeze())
    }

    fn shift(&mut self, key_id: &str, bytes: &[u8], seal: bool) -> Vec<u8> {
        let fresh = u8::try_from(self.keys.len() + 1).unwrap();
        let key = *self.keys.entry(key_id.to_owned()).or_insert(fresh);
        bytes.iter().map(|byte| if seal { byte.wrapping_add(key) } else { byte.wrapping_sub(key) }).collect()
    }
}

fn grpc(message: Option<Bytes>, status: &'static str, why: &str) -> Answer {
    let mut frames = Vec::new();
    if let Some(message) = message {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap());
        framed.extend_from_slice(&message);
        frames.push(Ok(Frame::data(framed.freeze())));
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers.insert("grpc-message", why.parse().unwrap());
    frames.push(Ok(Frame::trailers(trailers)));
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// Writes a field of a protocol buffer that has a length.
fn put(out: &mut BytesMut, number: u8, bytes: &[u8]) {
    out.put_u8(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.put_u8(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.put_u8(u8::try_from(length).unwrap());
    out.extend_from_slice(bytes);
}

/// Reads the fields of a protocol buffer that have a length; of repeated ones the last.
fn fields(mut bytes: &[u8]) -> HashMap<u8, Bytes> {
    let mut found = HashMap::new();
    while let [tag, rest @ ..] = bytes {
        let (mut length, mut shift, mut rest) = (0, 0, rest);
        while let [byte, after @ ..] = rest {
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            rest = after;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (value, after) = rest.split_at(length.min(rest.len()));
        found.insert(tag >> 3, Bytes::copy_from_slice(value));
        bytes = after;
    }
    found
}
