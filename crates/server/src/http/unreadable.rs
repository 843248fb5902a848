//! The reply to bytes that are no HTTP request.
//!
//! hyper replies to bytes that it cannot parse, and to heads that are too long, by itself: a status
//! and an empty body, which pass no service. [`ProblemSocket`] wraps the socket below hyper and
//! replaces such a reply by one with a problem and a request id, so that also these errors have the
//! one form. hyper has no hook for this, and a parser before hyper's would read every head twice. A
//! reply of hyper's own is recognized by its first bytes, its empty body, and its lack of a request
//! id, which every reply of the service has. The cost for all others is a comparison of ten bytes
//! for each write, which `benches/requests.rs` measures; a test holds them equal to what was written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes of every reply with a 4xx status.
const REFUSED: &[u8] = b"HTTP/1.1 4";
const EMPTY: &str = "\r\ncontent-length: 0\r\n";
const END: &str = "\r\n\r\n";
/// hyper's own replies are shorter.
const LONGEST: usize = 256;

/// A socket that replaces hyper's own error replies.
pub(crate) struct ProblemSocket<S, T> {
    inner: S,
    /// The request id and the problem for a status, if hyper replies with it by itself.
    describe: T,
    /// The reply that is written instead of hyper's.
    replacement: Option<Replacement>,
}

struct Replacement {
    text: Vec<u8>,
    written: usize,
    /// The length of hyper's reply.
    of: usize,
}

impl<S, T> ProblemSocket<S, T> {
    pub(crate) fn new(inner: S, describe: T) -> ProblemSocket<S, T> {
        ProblemSocket { inner, describe, replacement: None }
    }
}

/// The reply to bytes that could not be parsed as a request.
pub(crate) struct Unreadable {
    pub(crate) request_id: String,
    /// The body of the reply.
    pub(crate) problem: String,
}

/// Describes an error by the status that hyper gave it.
pub(crate) trait Describe: Fn(StatusCode) -> Option<Unreadable> + Unpin {}

impl<T: Fn(StatusCode) -> Option<Unreadable> + Unpin> Describe for T {}

/// The reply to write instead of `head`, if that is hyper's own.
#[cold]
fn replacement(head: &[u8], describe: &impl Describe) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(head).ok().filter(|head| head.len() < LONGEST)?;
    let fields = head.strip_suffix(END)?;
    if fields.contains(END) || !head.contains(EMPTY) || head.contains("\r\nx-request-id: ") {
        return None;
    }
    let status = head.get(9..12)?.parse::<StatusCode>().ok()?;
    let Unreadable { request_id, problem } = describe(status)?;
    let length = problem.len();
    let described = format!(
        "\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         x-request-id: {request_id}\r\ncontent-length: {length}\r\n"
    );
    Some((head.replacen(EMPTY, &described, 1) + &problem).into_bytes())
}

impl<S: AsyncWrite + Unpin, T: Describe> ProblemSocket<S, T> {
    /// Writes the rest of the replacement, and then reports the whole of hyper's reply as written.
    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        let Replacement { text, written, of } = self.replacement.as_mut()?;
        while let Some(rest) = text.get(*written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.inner).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Ok(0))),
                Poll::Ready(Ok(more)) => *written += more,
                unwritten @ (Poll::Ready(Err(_)) | Poll::Pending) => return Some(unwritten),
            }
        }
        let of = *of;
        self.replacement = None;
        Some(Poll::Ready(Ok(of)))
    }

    /// Whether `head` is hyper's own reply, which is then replaced.
    fn is_replaced(&mut self, head: &[u8]) -> bool {
        if self.replacement.is_none() && head.starts_with(REFUSED) {
            let of = head.len();
            let text = replacement(head, &self.describe);
            self.replacement = text.map(|text| Replacement { text, written: 0, of });
        }
        self.replacement.is_some()
    }
}

impl<S: AsyncWrite + Unpin, T: Describe> AsyncWrite for ProblemSocket<S, T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes)
            && let Some(written) = self.poll_replacement(context)
        {
            return written;
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [head] = parts {
            return self.poll_write(context, head);
        }
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin, T: Describe> AsyncRead for ProblemSocket<S, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const OWN: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                       date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";

    fn describe(status: StatusCode) -> Option<Unreadable> {
        (status == StatusCode::BAD_REQUEST)
            .then(|| Unreadable { request_id: "an-id".to_owned(), problem: "{\"a\":1}".to_owned() })
    }

    /// What is received from a socket that takes `room` bytes at a time.
    async fn passed(parts: &[&str], room: usize) -> String {
        let (near, mut far) = tokio::io::duplex(room);
        let mut socket = ProblemSocket::new(near, describe);
        let write = async move {
            for part in parts {
                socket.write_all(part.as_bytes()).await.unwrap();
            }
            socket.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let ((), read) = tokio::join!(write, far.read_to_string(&mut text));
        read.unwrap();
        text
    }

    #[tokio::test]
    async fn hypers_own_answer_gets_a_problem_however_slowly_it_is_taken() {
        let with_problem = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
                    content-type: application/problem+json\r\ncache-control: no-store\r\n\
                    x-request-id: an-id\r\ncontent-length: 7\r\n\
                    date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n{\"a\":1}";
        for room in [1, 7, 100, 4096] {
            assert_eq!(passed(&[OWN], room).await, with_problem, "{room}");
            let before = "HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n";
            assert_eq!(
                passed(&[before, OWN], room).await,
                format!("{before}{with_problem}"),
                "{room}"
            );
        }
    }

    #[tokio::test]
    async fn everything_else_is_written_unchanged() {
        let ours = OWN.replace("date:", "x-request-id: 1\r\ndate:");
        let two = format!("{OWN}{OWN}");
        let body = OWN.replace("content-length: 0", "content-length: 3") + "abc";
        let other = OWN.replace("400", "414");
        let fine = OWN.replace("400", "200");
        let long = OWN.replace("date:", &format!("x: {}\r\ndate:", "y".repeat(200)));
        for text in [&ours, &two, &body, &other, &fine, &long, &OWN[..60], &format!("x{OWN}"), ""] {
            assert_eq!(passed(&[text], 4096).await, text);
        }
    }
}
