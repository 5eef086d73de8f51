//! Patience with clients that do not read, and its end.
//!
//! Two ways of not reading are told apart. A socket that takes nothing is seen by [`Patient`], which wraps it.
//! A stream that HTTP/2's flow control holds back is seen by [`Progress`]: its answer gave a frame away and was
//! not asked for the next one since.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use portcullis_api::{Body, BodyError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A socket that fails once it has not taken a byte for too long.
pub(super) struct Patient<S> {
    inner: S,
    patience: Duration,
    /// Runs while the socket takes nothing.
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, end: None }
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.end = None;
            return wrote;
        }
        let patience = self.patience;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watched(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.watched(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Since when an answer has not been asked for more; clones are handles to the same.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<Instant>>>);

impl Progress {
    /// Follows the reading of an answer.
    pub(super) fn follow(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| Followed { body, progress: self }.boxed_unsync())
    }

    fn stuck_since(&self) -> Option<Instant> {
        *self.0.lock()
    }
}

struct Followed {
    body: Body,
    progress: Progress,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        *self.progress.0.lock() = polled.is_ready().then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that is given up when its client takes nothing for too long.
pub(super) struct Bounded<F> {
    stream: Pin<Box<F>>,
    progress: Progress,
    patience: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl<F> Bounded<F> {
    pub(super) fn new(stream: F, progress: Progress, patience: Duration) -> Self {
        Self { stream: Box::pin(stream), progress, patience, end: None }
    }
}

impl<F: Future<Output = ()>> Future for Bounded<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = self.progress.stuck_since() else {
            self.end = None;
            return Poll::Pending;
        };
        let due = since + self.patience;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if end.deadline() != due {
            end.as_mut().reset(due);
        }
        end.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::body::full;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn f005_a_client_that_takes_nothing_is_given_up() {
        let (near, mut far) = duplex(100);
        let mut near = Patient::new(near, PATIENCE);
        near.write_all(&[0; 100]).await.unwrap();
        let began = Instant::now();
        // Whoever reads a little has a little more time.
        let reader = tokio::spawn(async move {
            tokio::time::sleep(PATIENCE / 2).await;
            far.read_exact(&mut [0; 10]).await.unwrap();
            far
        });
        let error = near.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), PATIENCE / 2 + PATIENCE);
        drop(reader.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn f005_a_stream_that_is_held_back_ends_and_one_that_waits_does_not() {
        let progress = Progress::default();
        let mut answer = progress.clone().follow(Response::new(full("first"))).into_body();
        let idle = Bounded::new(std::future::pending(), progress.clone(), PATIENCE);
        assert!(timeout(10 * PATIENCE, idle).await.is_err(), "it waits for its answer");
        answer.frame().await.unwrap().unwrap();
        let began = Instant::now();
        Bounded::new(std::future::pending(), progress, PATIENCE).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
