//! Connections: accepted, bounded, and brought to an end in good order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::connection::Connection;
use crate::head_timer::HeadTimer;
use crate::site::Site;
use crate::unreadable::Socket;

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long the head of a request may take, and a connection may be idle.
    pub header_read_timeout: Duration,
    /// The longest head of a request, in bytes.
    pub header_bytes: usize,
    /// How long answers may take once the service is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            header_read_timeout: Duration::from_secs(30),
            header_bytes: 16 * 1024,
            grace: Duration::from_secs(30),
        }
    }
}

/// Serves `site` until `stop` is ready: then no new connection is taken, streams end, and requests
/// under way are answered, for at most [`Limits::grace`].
///
/// # Errors
///
/// None today: a failing accept is tried again, because the reason (too many open files) passes.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.header_read_timeout(limits.header_read_timeout)
        .max_buf_size(limits.header_bytes.max(8192))
        // Who has sent all it wanted to send still gets its answer. And hyper would take a buffer
        // of 8 KiB for each request, to look whether the client is still there.
        .half_close(true);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else { continue };
        let peer = stream.peer_addr().map(|address| address.ip().to_canonical()).ok();
        let _ = stream.set_nodelay(true);
        let of_socket = site.clone();
        let stream = Socket::new(stream, move |status| of_socket.unreadable(status));
        let connection = Arc::new(Connection::new(site.clone(), peer));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let connection = Arc::clone(&connection);
            let request = request.map(Body::new);
            async move { Ok::<_, Infallible>(connection.site.answer(request, &connection).await) }
        });
        http.timer(HeadTimer::new(limits.header_read_timeout));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    site.app().stop();
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way when the time to stop was over");
    }
    Ok(())
}

/// The next connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
