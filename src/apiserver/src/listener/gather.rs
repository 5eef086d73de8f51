//! What a connection writes, gathered until its turn ends.
//!
//! HTTP/2 writes and flushes frame by frame. Sent like that, an event of 1 KiB for each of a connection's
//! watchers would be a TLS record and a system call of its own. Here the frames are joined: into records
//! of full size, and those into as few system calls as the socket takes.
//!
//! ```text
//! frames -> plain (less than one record) -> records in the TLS session (four at most) -> socket
//! ```
//!
//! A client that does not read makes the socket refuse, then the session, then [`Gather`]: what one
//! connection holds is bounded by what this drawing says.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// What a TLS record holds.
const RECORD: usize = 16 * 1024;
/// What the session may hold: four records with their heads and seals.
const SEALED: usize = 4 * (RECORD + 256);
/// A buffer larger than this is given back once it is empty.
const KEPT: usize = 4 * 1024;

/// A handle to the two ends of a connection; clones are handles to the same.
///
/// Its `poll_flush` does nothing: whoever drives the connection calls [`Gather::poll_send`] when there is
/// nothing more to write for now.
pub(super) struct Gather<S>(Arc<Mutex<Wire<S>>>);

struct Wire<S> {
    tls: TlsStream<S>,
    /// Bytes of less than one record that wait for more.
    plain: Vec<u8>,
    /// How often something was taken in.
    taken: u64,
}

impl<S> Clone for Gather<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gather<S> {
    pub(super) fn new(mut tls: TlsStream<S>) -> Self {
        tls.get_mut().1.set_buffer_limit(Some(SEALED));
        Self(Arc::new(Mutex::new(Wire { tls, plain: Vec::new(), taken: 0 })))
    }

    /// A number that changes whenever something is written.
    pub(super) fn taken(&self) -> u64 {
        self.0.lock().taken
    }

    /// Sends all that was gathered.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_send(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.plain.is_empty() {
            if self.seal(&[], self.plain.len())? == 0 {
                ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
            }
        }
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    /// Takes bytes in, all of them unless the client does not read.
    fn poll_take(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let asked = slices.iter().fold(0_usize, |sum, slice| sum.saturating_add(slice.len()));
        loop {
            let all = self.plain.len().saturating_add(asked);
            let whole = all - all % RECORD;
            if whole == 0 {
                self.keep(slices, 0);
                self.taken = self.taken.wrapping_add(1);
                return Poll::Ready(Ok(asked));
            }
            let before = self.plain.len();
            let sealed = self.seal(slices, whole)?;
            let taken = sealed.saturating_sub(before);
            self.taken = self.taken.wrapping_add(u64::from(sealed > 0));
            if sealed == whole {
                self.keep(slices, taken);
                return Poll::Ready(Ok(asked));
            }
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
        }
    }

    /// Puts the first `limit` bytes of what waits and of what follows it into records; returns how many
    /// bytes found room.
    fn seal(&mut self, following: &[IoSlice<'_>], limit: usize) -> io::Result<usize> {
        let mut left = limit;
        let first: &[u8] = &self.plain;
        let mut slices = Vec::with_capacity(following.len() + 1);
        for slice in std::iter::once(first).chain(following.iter().map(|slice| &**slice)) {
            let cut = slice.get(..left.min(slice.len())).unwrap_or_default();
            left -= cut.len();
            if !cut.is_empty() {
                slices.push(IoSlice::new(cut));
            }
        }
        let sealed = io::Write::write_vectored(&mut self.tls.get_mut().1.writer(), &slices)?;
        self.plain.drain(..sealed.min(self.plain.len()));
        if self.plain.is_empty() && self.plain.capacity() > KEPT {
            self.plain = Vec::new();
        }
        Ok(sealed)
    }

    /// Keeps what is left after the first `taken` bytes.
    fn keep(&mut self, slices: &[IoSlice<'_>], taken: usize) {
        let mut skip = taken;
        for slice in slices {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            self.plain.extend_from_slice(slice.get(skipped..).unwrap_or_default());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().tls).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock();
        ready!(wire.poll_send(cx))?;
        Pin::new(&mut wire.tls).poll_shutdown(cx)
    }
}

#[cfg(test)]
pub(super) mod tests;
