//! A witness over HTTP: connections, bounds, routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::witness::{Reply, Witness};

/// The longest body: 63 hashes, and a note with as many signatures as one may have, post-quantum
/// ones included.
const MOST_BODY: usize = 512 * 1024;
/// The longest head of a request.
const MOST_HEAD: usize = 16 * 1024;
/// How long a failing accept is waited for: too many files are open, and that passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at once; further ones wait in the queue of the system.
    pub connections: usize,
    /// How long the head of a request may take, and a connection may be idle.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long answers may take once the witness is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            head: Duration::from_secs(75),
            body: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

/// Answers until `stop` is ready; then requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let answering = answer_all(stream, Arc::clone(&witness), limits, &graceful);
                tokio::spawn(async move {
                    answering.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way when the time to stop was over");
    }
}

/// Answers the requests of one connection.
fn answer_all(
    stream: TcpStream,
    witness: Arc<Witness>,
    limits: Limits,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let witness = Arc::clone(&witness);
        async move { Ok::<_, Infallible>(answer(request, witness, limits.body).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(MOST_HEAD);
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
    // What it ends with is the client's business.
    async move { drop(connection.await) }
}

async fn answer(
    request: Request<Incoming>,
    witness: Arc<Witness>,
    patience: Duration,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match (path.as_str(), request.method()) {
        ("/add-checkpoint", &Method::POST) => {
            respond(add_checkpoint(request, witness, patience).await)
        }
        ("/add-checkpoint", _) => not_allowed("POST"),
        (_, _) if !is_read => not_allowed("GET, HEAD"),
        ("/", _) => respond(Reply::new(200, home(&witness))),
        (path, _) => {
            let hash = path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
            let note = hash.and_then(|hash| witness.checkpoint(hash));
            let missing = || Reply::new(404, "there is nothing here, or not yet\n");
            respond(note.map_or_else(missing, |note| Reply::new(200, note.to_string())))
        }
    }
}

fn home(witness: &Witness) -> String {
    format!(
        "This is a witness of transparency logs (https://c2sp.org/tlog-witness).\n\
         It cosigns checkpoints that are posted to /add-checkpoint and extend what it has seen,\n\
         and shows the last one of a log at /<SHA-256 of its origin, hex>/checkpoint.\n\
         Its key: {}\n",
        witness.verifier_key()
    )
}

async fn add_checkpoint(
    request: Request<Incoming>,
    witness: Arc<Witness>,
    patience: Duration,
) -> Reply {
    let body = Limited::new(request.into_body(), MOST_BODY).collect();
    let body = match tokio::time::timeout(patience, body).await {
        Err(_) => return Reply::new(408, "the body did not come in time\n"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Reply::new(413, "the body is longer than a request can be\n");
        }
        Ok(Err(_)) => return Reply::new(400, "the body was cut off\n"),
        Ok(Ok(body)) => body.to_bytes(),
    };
    // It waits for the disk.
    let answered = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    answered.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        Reply::new(500, "something went wrong\n")
    })
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn not_allowed(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = respond(Reply::new(405, "another method is needed here\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}
