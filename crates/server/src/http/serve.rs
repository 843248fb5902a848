//! Connections: accepted, bounded, and brought to an end in good order.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::http::admission::{Admission, Admitted, Caps, Place};
use crate::http::connection::Connection;
use crate::http::head_timer::HeadTimer;
use crate::http::peer::Peer;
use crate::http::service::HttpService;
use crate::http::unreadable::ProblemSocket;

/// What the kernel holds for a client that does not read; it doubles this. Left alone it would grow to
/// megabytes for each.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a connection beyond the caps has for the head of its only request.
const RESERVED_HEAD: Duration = Duration::from_secs(5);
/// How long a client may take nothing of what is written to it once the service is told to stop.
const STOPPING: Duration = Duration::from_secs(5);
/// How often the same warning is logged.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at once. One more is answered health checks and metrics, from a small
    /// reserve, and closed past that.
    pub connections: usize,
    /// The most connections of one address at once; for IPv6 of one /64. A trusted proxy has no
    /// such bound.
    pub connections_per_address: usize,
    /// How long the head of a request may take, and a connection may be idle.
    pub header_read_timeout: Duration,
    /// How long a client may take nothing of what is written to it.
    pub write_timeout: Duration,
    /// The longest head of a request, in bytes; requests that are sent before the one in front of
    /// them is answered wait in as much.
    pub header_bytes: usize,
    /// How long answers may take once the service is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            connections_per_address: 2_500,
            header_read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            header_bytes: 16 * 1024,
            grace: Duration::from_secs(30),
        }
    }
}

/// Serves `service` until `stop` is ready: then no new connection is taken, streams end, and requests
/// under way are answered, for at most [`Limits::grace`].
///
/// # Errors
///
/// None today: a failing accept is tried again, because the reason (too many open files) passes.
pub async fn serve(
    listener: TcpListener,
    service: HttpService,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    // What is accepted has it from the listener.
    if let Err(error) = SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER) {
        tracing::warn!(%error, "the send buffers of connections are not bounded");
    }
    let graceful = GracefulShutdown::new();
    let (open, refused) = service.app().metrics().connections();
    let caps = Caps { all: limits.connections, per_address: limits.connections_per_address };
    let admission = Admission::new(caps, open, refused);
    let mut accepting = Accepting { listener, warned_at: None };
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepting.next() => accepted,
        };
        let Some(stream) = accepted else { continue };
        let peer = stream.peer_addr().map(|address| address.ip().to_canonical()).ok();
        let proxies = &service.app().config().trusted_proxies;
        let counted = peer.filter(|peer| !proxies.iter().any(|proxy| proxy.contains(peer)));
        // Who comes past the reserve is not answered: that would take a place too.
        let Some(admitted) = admission.admit(counted) else { continue };
        start(Accepted { stream, peer, admitted }, &service, &limits, &graceful);
    }
    drop(accepting);
    service.app().stop();
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way when the time to stop was over");
    }
    Ok(())
}

/// A connection and what answers its requests: one reference count for each connection, so that a
/// request touches none that connections share.
struct Served {
    service: HttpService,
    connection: Arc<Connection>,
}

/// A connection for which there is room.
struct Accepted {
    stream: TcpStream,
    /// The address at its other end.
    peer: Option<IpAddr>,
    admitted: Admitted,
}

/// Serves a connection on a task of its own.
fn start(
    Accepted { stream, peer, admitted }: Accepted,
    service: &HttpService,
    limits: &Limits,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection::new(peer, admitted.place));
    let watched = Arc::clone(&connection);
    let served = Arc::new(Served { service: service.clone(), connection });
    let (stopping, write_timeout) = (service.app().stopping(), limits.write_timeout);
    let patience =
        move || if *stopping.borrow() { write_timeout.min(STOPPING) } else { write_timeout };
    let stream = Peer::new(stream, move || watched.watch(), patience);
    let unreadable = service.clone();
    let stream = ProblemSocket::new(stream, move |status| unreadable.unreadable(status));
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let served = Arc::clone(&served);
        let request = request.map(Body::new);
        async move { Ok::<_, Infallible>(served.service.answer(request, &served.connection).await) }
    });
    let reserved = admitted.place == Place::Reserved;
    let head = if reserved { RESERVED_HEAD } else { limits.header_read_timeout };
    let mut http = http1::Builder::new();
    http.header_read_timeout(head)
        .timer(HeadTimer::new(head))
        .max_buf_size(limits.header_bytes.max(8192))
        .keep_alive(!reserved)
        // Who has sent all it wanted to send still gets its answer. And hyper would take a buffer
        // of 8 KiB for each request, to look whether the client is still there.
        .half_close(true);
    let served = graceful.watch(http.serve_connection(TokioIo::new(stream), answer));
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::debug!(%error, "connection ended");
        }
        drop(admitted);
    });
}

/// A listener whose accepts fail now and then.
struct Accepting {
    listener: TcpListener,
    /// When the operator was last warned that they do.
    warned_at: Option<Instant>,
}

impl Accepting {
    /// The next connection; `None` after a failure that may pass.
    async fn next(&mut self) -> Option<TcpStream> {
        let error = match self.listener.accept().await {
            Ok((stream, _)) => return Some(stream),
            Err(error) => error,
        };
        if self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            tracing::warn!(%error, "cannot accept a connection");
            self.warned_at = Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        None
    }
}
