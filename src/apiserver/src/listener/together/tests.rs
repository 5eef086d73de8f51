use std::convert::Infallible;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::broadcast;

use super::*;
use crate::listener::gather::tests::{Pair, pair};

const STREAMS: usize = 25;
const EVENTS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_for_all_streams_of_a_connection_is_a_few_writes() {
    let Pair { server, client, writes } = pair(1 << 20).await;
    let (events, _) = broadcast::channel::<Bytes>(64);
    let source = events.clone();
    let service = service_fn(move |_| {
        let frames = stream::unfold(source.subscribe(), |mut seen| async move {
            let event = seen.recv().await.ok()?;
            Some((Ok::<_, Infallible>(Frame::data(event)), seen))
        });
        std::future::ready(Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames)))))
    });
    let opened = Opened::new(Duration::from_secs(60));
    let connection =
        http2::Builder::new(opened.clone()).serve_connection(TokioIo::new(server.clone()), service);
    tokio::spawn(Together::new(connection, opened, server));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
        bodies.push(sender.clone().send_request(request).await.unwrap().into_body());
    }
    writes.store(0, Ordering::Relaxed);
    for _ in 0..EVENTS {
        events.send(Bytes::from(vec![b'x'; 1400])).unwrap();
        for body in &mut bodies {
            let mut left = 1400;
            while left > 0 {
                left -= body.frame().await.unwrap().unwrap().into_data().unwrap().len();
            }
        }
    }
    let each = writes.load(Ordering::Relaxed) as f64 / EVENTS as f64;
    eprintln!("{each} writes an event");
    assert!(each <= 6.0, "{each} writes for an event of {STREAMS} streams");
}
