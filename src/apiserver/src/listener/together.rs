//! One task for an HTTP/2 connection and all its streams.
//!
//! hyper asks for a task per stream. A connection with 25 watchers would then be woken, would write and
//! would make a system call 25 times for one event. Here the streams are polled by the task that writes:
//! all that are ready say what they have, the connection writes it, and then it is sent.
//!
//! Watchers are woken one after the other, so the first of a connection would be served and sent before the last
//! is woken. Whoever has just written therefore lets the others run and looks again; it sends once there
//! was nothing more to write.
//!
//! Requests that write, which may take long, are on tasks of their own already (`Registry::serve`).

use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::error;

use super::gather::Gather;
use super::patient::{Bounded, Progress};

/// Where hyper puts the streams that a connection opens.
#[derive(Clone)]
pub(super) struct Opened(Arc<Place>);

struct Place {
    patience: Duration,
    streams: Mutex<Vec<BoxFuture<'static, ()>>>,
    /// How the answer to the request that was taken last is read.
    progress: Mutex<Progress>,
}

impl Opened {
    /// Streams whose clients may take nothing for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self(Arc::new(Place { patience, streams: Mutex::default(), progress: Mutex::default() }))
    }

    /// A request is taken: hyper hands its stream over next.
    pub(super) fn taken(&self) -> Progress {
        let progress = Progress::default();
        *self.0.progress.lock() = progress.clone();
        progress
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Opened {
    /// Only called while the connection or one of its streams is polled, which is below
    /// [`Together::poll`]: nobody has to be woken.
    fn execute(&self, stream: F) {
        let progress = std::mem::take(&mut *self.0.progress.lock());
        let bounded = Bounded::new(stream, progress, self.0.patience);
        let guarded = AssertUnwindSafe(bounded).catch_unwind().map(|ended| {
            if ended.is_err() {
                error!("A stream ended by a bug");
            }
        });
        self.0.streams.lock().push(Box::pin(guarded));
    }
}

/// How often in a row sending may be put off.
const TURNS: u8 = 16;

/// A connection, its streams, and the wire they share.
pub(super) struct Together<C, S> {
    connection: Pin<Box<C>>,
    opened: Opened,
    streams: FuturesUnordered<BoxFuture<'static, ()>>,
    wire: Gather<S>,
    /// The wire's number when it was looked at last.
    written: u64,
    /// How often in a row sending was put off.
    turns: u8,
}

impl<C, S> Together<C, S> {
    /// A connection whose executor is `opened` and which writes to `wire`.
    pub(super) fn new(connection: C, opened: Opened, wire: Gather<S>) -> Self {
        let connection = Box::pin(connection);
        Self { connection, opened, streams: FuturesUnordered::new(), wire, written: 0, turns: 0 }
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// Lets every stream that is ready say what it has.
    fn run_streams(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.streams.poll_next_unpin(cx) {}
    }

    /// Whether new streams were opened; they are polled from now on.
    fn take_opened(&mut self) -> bool {
        let mut opened = self.opened.0.streams.lock();
        let any = !opened.is_empty();
        self.streams.extend(opened.drain(..));
        any
    }
}

impl<C, S, E> Future for Together<C, S>
where
    C: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Result<(), Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            this.run_streams(cx);
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Into::into));
            }
            if !this.take_opened() {
                break;
            }
        }
        let written = this.wire.taken();
        if written != this.written && this.turns < TURNS {
            (this.written, this.turns) = (written, this.turns + 1);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        (this.written, this.turns) = (written, 0);
        match this.wire.poll_send(cx) {
            Poll::Ready(Err(cause)) => Poll::Ready(Err(cause.into())),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
