//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use portcullis_api::Body;
use portcullis_pki::{ClientTrust, Peer};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use tracing::debug;

use super::gather::Gather;
use super::patient::Patient;
use super::together::{Opened, Together};
use super::{ListenerConfig, stopped, wire};
use crate::arrival::{Connection, Raw};
use crate::metrics::Metrics;
use crate::respond;
use crate::stack::Api;
use crate::stack::held::until_sent;

/// How long a client may take to hang up.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a listener are served with.
pub(super) struct Served {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) trust: Arc<ClientTrust>,
    pub(super) api: Api,
    pub(super) config: ListenerConfig,
    pub(super) metrics: Metrics,
    pub(super) stop: watch::Receiver<bool>,
}

impl Served {
    /// Serves a connection to its end.
    pub(super) async fn connection(&self, stream: TcpStream, address: SocketAddr) {
        stream.set_nodelay(true).ok();
        let stream = Patient::new(stream, self.config.patience);
        let handshake = TlsAcceptor::from(self.tls.clone()).accept(stream);
        let stream = match timeout(self.config.handshake, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(cause)) => return self.unshaken(address, &cause),
            Err(late) => return self.unshaken(address, &late),
        };
        self.metrics.connections(1.0);
        let (_, tls) = stream.get_ref();
        let peer = Peer::of_connection(tls, &self.trust);
        let facts = Connection { peer, source: Some(address.ip().to_canonical()) };
        if tls.alpn_protocol() == Some(b"h2") {
            self.http2(stream, facts).await;
        } else {
            self.http1(stream, facts).await;
        }
        self.metrics.connections(-1.0);
    }

    fn unshaken(&self, address: SocketAddr, cause: &dyn std::error::Error) {
        self.metrics.handshake_failed();
        debug!(%address, %cause, "TLS handshake failed");
    }

    async fn http2(&self, stream: TlsStream<Patient<TcpStream>>, facts: Connection) {
        let activity = Activity::default();
        let (opened, wire) = (Opened::new(self.config.patience), Gather::new(stream));
        let service = self.service(facts, activity.clone(), Some(opened.clone()));
        let connection = http2::Builder::new(opened.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.config.streams)
            .max_header_list_size(self.config.head_bytes)
            // A client that opens streams only to reset them is cut off.
            .max_pending_accept_reset_streams(50)
            .max_local_error_reset_streams(100)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(512 * 1024)
            .max_frame_size(64 * 1024)
            // What one stream may have waiting here, with the piece that was handed over last.
            .max_send_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(wire.clone()), service);
        let together = Together::new(connection, opened, wire);
        let finish = |together: Pin<&mut Together<_, _>>| {
            http2::Connection::graceful_shutdown(together.get_mut().connection());
        };
        self.until_done(together, finish, Farewell::Said, &activity).await;
    }

    async fn http1(&self, stream: TlsStream<Patient<TcpStream>>, facts: Connection) {
        let activity = Activity::default();
        let service = self.service(facts, activity.clone(), None);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.head)
            .max_buf_size(usize::try_from(self.config.head_bytes).unwrap_or(usize::MAX))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        self.until_done(
            connection,
            |connection| connection.graceful_shutdown(),
            Farewell::InAnswers,
            &activity,
        )
        .await;
    }

    /// The top of the stack for the requests of one connection.
    fn service(
        &self,
        facts: Connection,
        activity: Activity,
        streams: Option<Opened>,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<>,
    > + Send
    + use<> {
        let api = self.api.clone();
        service_fn(move |request: Request<Incoming>| {
            let (busy, leaving) = (activity.enter(), activity.clone());
            let progress = streams.as_ref().map(Opened::taken);
            let (api, connection) = (api.clone(), facts.clone());
            async move {
                let ends = wire::ends_connection(&request);
                let mut response = match wire::refusal(&request) {
                    Some(refusal) => closing(respond::plainly(&refusal)),
                    None => {
                        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                        api.oneshot(Raw { request, connection }).await?
                    }
                };
                if ends || leaving.is_leaving() {
                    response = closing(response);
                }
                let response = until_sent(response, busy);
                Ok(match progress {
                    Some(progress) => progress.follow(response),
                    None => response,
                })
            }
        })
    }

    /// Drives a connection until it ends, has been idle for too long or the server stops.
    async fn until_done<C, E>(
        &self,
        connection: C,
        finish: impl Fn(Pin<&mut C>),
        farewell: Farewell,
        activity: &Activity,
    ) where
        C: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let mut connection = pin!(connection);
        let mut stop = self.stop.clone();
        let mut finishing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(cause) = ended {
                        debug!(%cause, "Connection ended");
                    }
                    return;
                }
                () = farewell.after(stopped(&mut stop), activity), if !finishing => {}
                () = activity.idle_for(self.config.idle), if !finishing => {}
                () = activity.left_alone(), if finishing => return,
            }
            // GOAWAY, or no keep-alive: what is in flight may finish.
            finishing = true;
            finish(connection.as_mut());
        }
    }
}

/// How a client learns that its connection ends because the server stops.
#[derive(Clone, Copy)]
enum Farewell {
    /// By a GOAWAY, which also says which requests were taken.
    Said,
    /// By the next answer only: a request that is on its way while the connection ends would be lost.
    InAnswers,
}

impl Farewell {
    /// Waits for the word to stop, then for as long as clients must be given that cannot be told.
    async fn after(self, stopped: impl Future<Output = ()>, activity: &Activity) {
        stopped.await;
        if matches!(self, Self::InAnswers) {
            activity.leave();
            activity.left_alone().await;
        }
    }
}

/// Tells an HTTP/1.1 client that the connection ends here.
fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether and since when a connection has nothing to do.
#[derive(Clone)]
struct Activity(Arc<State>);

struct State {
    busy: AtomicUsize,
    leaving: AtomicBool,
    since: Mutex<Instant>,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(State {
            busy: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            since: Mutex::new(Instant::now()),
        }))
    }
}

impl Activity {
    fn enter(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::AcqRel);
        Busy(self.0.clone())
    }

    /// From now on every answer is the last.
    fn leave(&self) {
        self.0.leaving.store(true, Ordering::Release);
    }

    fn is_leaving(&self) -> bool {
        self.0.leaving.load(Ordering::Acquire)
    }

    /// Waits until a client that was told to leave has had its time and has nothing more to wait for.
    async fn left_alone(&self) {
        tokio::time::sleep(LINGER).await;
        self.idle_for(LINGER).await;
    }

    /// Waits until there was nothing to do for that long.
    async fn idle_for(&self, limit: Duration) {
        loop {
            let busy = self.0.busy.load(Ordering::Acquire) > 0;
            let since = if busy { Instant::now() } else { *self.0.since.lock() };
            let due = since + limit;
            if Instant::now() >= due {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// A request that is being answered.
struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.since.lock() = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
