use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_pki::{Options, Pki, Sites, client_config, server_config};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

/// A pipe that counts how often it is written to.
pub(in crate::listener) struct Counted {
    pipe: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.pipe).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

pub(in crate::listener) struct Pair {
    pub(in crate::listener) server: Gather<Counted>,
    pub(in crate::listener) client: client::TlsStream<DuplexStream>,
    pub(in crate::listener) writes: Arc<AtomicUsize>,
}

/// Both ends of a connection whose pipe holds so many bytes.
pub(in crate::listener) async fn pair(holds: usize) -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let sites = Sites { hostnames: vec!["localhost".into()], ..Sites::default() };
    let pki = Pki::open_or_issue(folder.path(), Options { sites, token_algorithm: None }).unwrap();
    let (near, far) = duplex(holds);
    let writes = Arc::new(AtomicUsize::new(0));
    let accept = TlsAcceptor::from(server_config(pki.live("apiserver").unwrap()).unwrap())
        .accept(Counted { pipe: near, writes: writes.clone() });
    let connect = TlsConnector::from(client_config(pki.authority_pem("ca").unwrap(), None).unwrap())
        .connect(ServerName::try_from("localhost").unwrap(), far);
    let (server, client) = tokio::join!(accept, connect);
    let server = Gather::new(server.unwrap());
    poll_fn(|cx| server.poll_send(cx)).await.unwrap();
    writes.store(0, Ordering::Relaxed);
    Pair { server, client: client.unwrap(), writes }
}

/// Bytes that are not the same everywhere.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from((place * 31 + place / 251) % 256).unwrap()).collect()
}

#[tokio::test]
async fn what_is_flushed_piece_by_piece_is_sent_once() {
    let Pair { mut server, mut client, writes } = pair(1 << 20).await;
    let sent = bytes(25 * 1500);
    for piece in sent.chunks(1500) {
        server.write_all(piece).await.unwrap();
        server.flush().await.unwrap();
    }
    assert_eq!(writes.load(Ordering::Relaxed), 0, "nothing leaves before the turn ends");
    poll_fn(|cx| server.poll_send(cx)).await.unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    let mut got = vec![0; sent.len()];
    client.read_exact(&mut got).await.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_a_bounded_number_of_bytes() {
    const PIPE: usize = 10_000;
    let Pair { mut server, client: _client, .. } = pair(PIPE).await;
    let piece = bytes(9000);
    let mut taken = 0;
    let stuck = poll_fn(|cx| {
        while let Poll::Ready(took) = Pin::new(&mut server).poll_write(cx, &piece) {
            taken += took.unwrap();
            assert!(taken < 1 << 20, "it takes whatever comes");
        }
        Poll::Ready(())
    });
    stuck.await;
    assert!(taken <= RECORD + SEALED + PIPE, "{taken}");
    let held = server.0.lock().plain.capacity();
    assert!(held <= 3 * RECORD, "{held}");
}

#[tokio::test]
async fn pieces_of_any_size_arrive_in_order_through_a_narrow_pipe() {
    let Pair { mut server, mut client, .. } = pair(1000).await;
    let sent = bytes(700_000);
    let expected = sent.clone();
    let reading = tokio::spawn(async move {
        let mut got = vec![0; expected.len()];
        client.read_exact(&mut got).await.unwrap();
        assert!(got == expected);
    });
    let (mut rest, mut size) = (&sent[..], 1);
    while !rest.is_empty() {
        let (first, others) = rest.split_at(size.min(rest.len()));
        let (a, b) = first.split_at(first.len() / 3);
        let took =
            poll_fn(|cx| Pin::new(&mut server).poll_write_vectored(cx, &[IoSlice::new(a), IoSlice::new(b)]));
        let took = took.await.unwrap();
        assert!(took > 0);
        rest = if took == first.len() { others } else { &rest[took..] };
        size = (size * 7 + 3) % 70_001;
    }
    server.shutdown().await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_keeps_no_buffer() {
    let Pair { mut server, client: _client, .. } = pair(1 << 20).await;
    server.write_all(&bytes(16_000)).await.unwrap();
    poll_fn(|cx| server.poll_send(cx)).await.unwrap();
    assert_eq!(server.0.lock().plain.capacity(), 0);
}
