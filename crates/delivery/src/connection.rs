//! A connection to a receiver: to an address that was checked, with TLS where the URL says so.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::http::response::Parts;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::address::AddressRules;
use crate::outcome::{Outcome, OutcomeKind};
use crate::target::Target;

/// The most bytes of an answer's head, and of its body, that are read.
const MOST_HEAD: usize = 16 * 1024;
const MOST_BODY: usize = 64 * 1024;

/// A connection over which one request after the other can be sent.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// What is not waited for any more is not read on.
impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to one of the addresses of `target` that the rules allow.
    pub(crate) async fn open(
        target: &Target,
        rules: &AddressRules,
        tls: &Arc<ClientConfig>,
    ) -> Result<Connection, OutcomeKind> {
        let stream = connect(target, rules).await?;
        if !target.is_https() {
            return Connection::over(stream).await;
        }
        let name = ServerName::try_from(target.host().to_owned());
        let name = name.map_err(|_| OutcomeKind::Untrusted)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        let stream = stream.map_err(|error| {
            // rustls hands its own errors on as this kind; others are of the connection.
            if error.kind() == std::io::ErrorKind::InvalidData {
                OutcomeKind::Untrusted
            } else {
                OutcomeKind::CutOff
            }
        })?;
        Connection::over(stream).await
    }

    async fn over<S>(stream: S) -> Result<Connection, OutcomeKind>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opened = Builder::new().max_buf_size(MOST_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|_| OutcomeKind::CutOff)?;
        // What it fails with, the request fails with.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, driver })
    }

    /// Sends a request, and reads its whole answer; `None` for the body if it has more than `most` bytes.
    pub(crate) async fn fetch(
        &mut self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(Parts, Option<Vec<u8>>), Cut> {
        self.sender.ready().await.map_err(|_| Cut { answered: false })?;
        let sent = self.sender.send_request(request).await;
        let (head, mut body) = sent.map_err(|_| Cut { answered: false })?.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Cut { answered: true })?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            if bytes.len() > most {
                return Ok((head, None));
            }
        }
        Ok((head, Some(bytes)))
    }

    /// Sends a request and reads its whole answer, as far as one is read. Whether the connection can
    /// be used again is up to [`Connection::is_open`].
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Outcome, Cut> {
        self.sender.ready().await.map_err(|_| Cut { answered: false })?;
        let sent = self.sender.send_request(request).await;
        let answer = sent.map_err(|_| Cut { answered: false })?;
        let status = answer.status().as_u16();
        if !discard(answer).await? {
            self.driver.abort();
        }
        Ok(Outcome::of_status(status))
    }

    /// Whether another request can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed() && !self.driver.is_finished()
    }
}

/// The connection ended too early.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Whether the head of an answer was there.
    pub(crate) answered: bool,
}

/// Reads a body to its end and drops it; `false` if it is longer than that.
async fn discard(answer: Response<Incoming>) -> Result<bool, Cut> {
    let (mut body, mut length) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Cut { answered: true })?;
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > MOST_BODY {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Connects to the first address that is allowed and answers.
async fn connect(target: &Target, rules: &AddressRules) -> Result<TcpStream, OutcomeKind> {
    let resolved: Vec<SocketAddr> = match target.address() {
        Some(address) => vec![SocketAddr::new(address, target.port())],
        None => tokio::net::lookup_host((target.host(), target.port()))
            .await
            .map_err(|_| OutcomeKind::Unresolved)?
            .collect(),
    };
    if resolved.is_empty() {
        return Err(OutcomeKind::Unresolved);
    }
    let mut outcome = OutcomeKind::NotAllowed;
    for address in resolved {
        if !rules.allows_at(target, address.ip()) {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(_) => outcome = OutcomeKind::Unreachable,
        }
    }
    Err(outcome)
}
