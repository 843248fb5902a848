//! A client with one connection, kept alive, and one request under way.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::response::ResponseHead;

/// The first size of the buffer; it grows when a response is longer.
const BUFFER: usize = 16 * 1024;

/// The server that requests go to, and the token they carry.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// The bearer token; empty sends none.
    pub(crate) token: String,
}

impl Target {
    /// The server that `url` names; only plain HTTP.
    pub(crate) fn new(url: &str, token: &str) -> Result<Target> {
        let host = url.strip_prefix("http://").context("--url must begin with http://")?;
        let host = host.trim_end_matches('/');
        let found = if host.contains(':') && !host.ends_with(']') {
            host.to_socket_addrs()
        } else {
            format!("{host}:80").to_socket_addrs()
        };
        let address = found.with_context(|| format!("cannot find {host}"))?.next();
        let address = address.with_context(|| format!("{host} has no address"))?;
        Ok(Target { address, token: token.to_owned() })
    }

    /// The bytes of a GET.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers()).into_bytes()
    }

    /// The bytes of a POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        let headers = self.headers();
        format!(
            "POST {path} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// The headers of every request. The host is a constant, so that two servers on two ports are
    /// sent the same bytes.
    fn headers(&self) -> String {
        match self.token.as_str() {
            "" => "Host: localhost\r\n".to_owned(),
            token => format!("Host: localhost\r\nAuthorization: Bearer {token}\r\n"),
        }
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response, still in the connection's buffer.
pub(crate) struct Response<'a> {
    head: ResponseHead,
    bytes: &'a [u8],
}

impl Response<'_> {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    /// The response as it came, with its head.
    pub(crate) fn raw(&self) -> &[u8] {
        self.bytes
    }

    /// The body.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        self.head.body(self.bytes)
    }
}

impl Connection {
    /// Opens a connection.
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends `request` and waits for the complete response.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<Response<'_>> {
        self.stream.write_all(request).await.context("cannot send")?;
        let mut filled = 0;
        let mut head = None;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(room).await.context("cannot receive")?;
            if count == 0 {
                bail!("the server closed the connection in the middle");
            }
            filled += count;
            let received = self.buffer.get(..filled).unwrap_or_default();
            if head.is_none() {
                head = ResponseHead::read(received)?;
            }
            let Some(head) = head else { continue };
            match head.end(received)? {
                Some(end) if end == filled => break,
                Some(_) => bail!("the server sent more than its response"),
                None => {}
            }
        }
        let bytes = self.buffer.get(..filled).unwrap_or_default();
        Ok(Response { head: head.context("no head")?, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_an_address() {
        let at = |url| Target::new(url, "").map(|target| target.address.to_string());
        assert_eq!(at("http://127.0.0.1:7070").unwrap(), "127.0.0.1:7070");
        assert_eq!(at("http://127.0.0.1:7070/").unwrap(), "127.0.0.1:7070");
        assert_eq!(at("http://[::1]:7070").unwrap(), "[::1]:7070");
        assert_eq!(at("http://127.0.0.1").unwrap(), "127.0.0.1:80");
        assert!(at("https://127.0.0.1").is_err());
    }
}
