//! A connection to a receiver: to an address that was checked, with TLS where the URL says so.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::address::AddressRules;
use crate::outcome::OutcomeKind;
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

    /// Sends a request and reads its whole answer, as far as one is read. Whether the connection can
    /// be used again is up to [`Connection::is_open`].
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Cut> {
        self.sender.ready().await.map_err(|_| Cut { answered: false })?;
        let sent = self.sender.send_request(request).await;
        let answer = sent.map_err(|_| Cut { answered: false })?;
        let status = answer.status().as_u16();
        let media_type = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let media_type = media_type.map(str::to_owned);
        let body = read(answer).await?;
        if body.is_none() {
            self.driver.abort();
        }
        Ok(Answer { status, media_type, body })
    }

    /// Whether another request can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed() && !self.driver.is_finished()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub media_type: Option<String>,
    /// The body; `None` if it is longer than 64 KiB, and was not read on.
    pub body: Option<Vec<u8>>,
}

/// The connection ended too early.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Whether the head of an answer was there.
    pub(crate) answered: bool,
}

/// Reads a body to its end; `None` if it is longer than that.
async fn read(answer: Response<Incoming>) -> Result<Option<Vec<u8>>, Cut> {
    let (mut body, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Cut { answered: true })?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if bytes.len() + data.len() > MOST_BODY {
            return Ok(None);
        }
        bytes.extend_from_slice(data);
    }
    Ok(Some(bytes))
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
