//! The socket of a connection, and whether there is still somebody at its other end.
//!
//! hyper waits for ever for a client that reads nothing, and with half-closed connections allowed
//! it does not see a client go while an answer is being made. Here a write that makes no progress
//! runs out of time, and a client that is gone ends the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What of its other end ends a connection before its answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Watch {
    /// Nothing: the answer is there, or will be at once.
    Nothing,
    /// That the client broke it off. One that has only closed its half still wants the answer.
    Broken,
    /// That the client closed it, in whatever way.
    Closed,
}

/// A socket that gives up on who does not read, and ends when nobody is there.
pub(crate) struct Peer<W, P> {
    stream: TcpStream,
    /// What to watch for at present.
    watch: W,
    /// How long a write may make no progress, as of now.
    patience: P,
    /// Made by the first write that has to wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when a write waits.
    waits_since: Option<Instant>,
}

impl<W: Fn() -> Watch, P: Fn() -> Duration> Peer<W, P> {
    pub(crate) fn new(stream: TcpStream, watch: W, patience: P) -> Peer<W, P> {
        Peer { stream, watch, patience, timer: None, waits_since: None }
    }

    /// What became of a write: one that waits runs out of time, unless the socket takes something.
    fn watched(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waits_since = None;
            return written;
        }
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let deadline = since + (self.patience)();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(context).is_ready() {
            let slow = io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
            return Poll::Ready(Err(slow));
        }
        self.poll_gone(context).map(Err)
    }

    /// Ready when the client is gone, as far as that matters now. What it sent beyond the request
    /// hides its end: then the next write finds out.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let watch = (self.watch)();
        if watch == Watch::Nothing {
            return Poll::Pending;
        }
        let mut byte = [0];
        match self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            Poll::Ready(Ok(0)) if watch == Watch::Closed => {
                Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "the client is gone"))
            }
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<W: Fn() -> Watch + Unpin, P: Fn() -> Duration + Unpin> AsyncWrite for Peer<W, P> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watched(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes whenever it has looked at a connection, also when there is nothing to write
    /// because the answer is still being made.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_gone(context) {
            Poll::Ready(gone) => Poll::Ready(Err(gone)),
            Poll::Pending => Pin::new(&mut self.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<W: Unpin, P: Unpin> AsyncRead for Peer<W, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
