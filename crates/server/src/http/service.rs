//! The request layer: request ids, time limit, metrics, and the one form of errors.
//!
//! It stands around the router instead of in it, so that a request passes one future and no boxed
//! layer. It logs the route's template, never the path, the query or a header.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keys::Dialect;
use tower::Service;

use crate::app::App;
use crate::error::Problem;
use crate::error::{ApiError, Code};
use crate::http::admission::Place;
use crate::http::connection::{Connection, HttpContext};
use crate::http::route::FastPath;
use crate::metrics::RouteMetrics;
use crate::routes::authorize;
use crate::{dialects, wire};

/// The most header fields a request may have.
const MAX_HEADERS: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// On an answer that shows a part of the trail which could not be recorded as read.
const READING_RECORDED: HeaderName = HeaderName::from_static("x-reading-recorded");

/// A served set of routes. A clone is the same one.
#[derive(Clone)]
pub struct HttpService(Arc<Inner>);

struct Inner {
    app: App,
    router: Router,
    names: matchit::Router<usize>,
    routes: Vec<Named>,
    /// For what no route matches.
    unknown: RouteMetrics,
    ids: RequestIds,
}

/// A route, as the layer knows it.
struct Named {
    metrics: RouteMetrics,
    /// The dialect its errors are told in.
    dialect: Dialect,
    /// What is answered past the router.
    direct: Option<FastPath>,
}

impl HttpService {
    pub(crate) fn new(
        app: App,
        router: Router,
        templates: &[(&'static str, Dialect)],
    ) -> HttpService {
        let mut names = matchit::Router::new();
        let mut listed = Vec::with_capacity(templates.len());
        for &(template, dialect) in templates {
            // The router has taken the same template already.
            if names.insert(template, listed.len()).is_ok() {
                let metrics = app.metrics().route(template);
                listed.push(Named { metrics, dialect, direct: FastPath::at(template, dialect) });
            }
        }
        let unknown = app.metrics().route("unknown");
        HttpService(Arc::new(Inner {
            app,
            router,
            names,
            routes: listed,
            unknown,
            ids: RequestIds::new(),
        }))
    }

    pub(crate) fn app(&self) -> &App {
        &self.0.app
    }

    /// Answers one request that came over `connection`.
    pub(crate) async fn answer(&self, request: Request, connection: &Arc<Connection>) -> Response {
        let started = Instant::now();
        let inner = &*self.0;
        let (route, dialect, direct) = inner.route(request.uri().path());
        let method = request.method().clone();
        let has_body = !request.body().is_end_stream();
        let visit = HttpContext {
            request_id: inner.ids.of(request.headers()),
            route: route.template(),
            connection: Arc::clone(connection),
        };
        let mut response = if request.headers().len() > MAX_HEADERS {
            ApiError::new(Code::TooManyHeaders, "at most 64 header fields").into_response()
        } else if connection.place == Place::Reserved && !is_for_operators(visit.route) {
            ApiError::new(Code::Overloaded, "too many connections").into_response()
        } else {
            connection.begin();
            let answer = inner.handle(request, direct, &visit);
            in_time(inner.app.config().request_timeout, answer, connection).await
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>()
            && !dialects::write_error(&mut response, dialect, &error)
        {
            write_problem(&mut response, &error, &visit.request_id);
        }
        response.headers_mut().insert(REQUEST_ID, visit.request_id);
        if connection.is_unrecorded() {
            response.headers_mut().insert(READING_RECORDED, HeaderValue::from_static("false"));
        }
        if authorize::is_route(route.template()) {
            authorize::complete(response.headers_mut());
        }
        if has_body && answers_unread(response.status()) {
            // The rest of the body may still be on its way; whoever reads on must not take it for
            // a request, so the connection ends, and the client is told.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }

        let took = started.elapsed();
        route.record(&method, response.status(), took);
        tracing::debug!(
            route = route.template(),
            method = crate::metrics::method_label(&method),
            status = response.status().as_u16(),
            micros = took.as_micros(),
            "request"
        );
        response
    }

    /// The request id and the problem for what could not be read as a request.
    #[cold]
    pub(crate) fn unreadable(&self, status: StatusCode) -> Option<(String, String)> {
        let error = match status {
            StatusCode::BAD_REQUEST => {
                ApiError::new(Code::InvalidRequest, "request: must be HTTP/1.1")
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ApiError::new(Code::TooManyHeaders, "the head of the request is too long")
            }
            _ => return None,
        };
        let request_id = self.0.ids.make().to_str().ok()?.to_owned();
        let problem = wire::to_json(&Problem::new(&error, &request_id)) + "\n";
        self.0.unknown.record(&Method::TRACE, status, Duration::ZERO);
        Some((request_id, problem))
    }
}

impl Inner {
    /// The route's metrics, the dialect its errors are told in, and what is answered directly.
    fn route(&self, path: &str) -> (&RouteMetrics, Dialect, Option<FastPath>) {
        match self.names.at(path).ok().and_then(|found| self.routes.get(*found.value)) {
            Some(Named { metrics, dialect, direct }) => (metrics, *dialect, *direct),
            None => (&self.unknown, dialects::spoken_at(path).unwrap_or(Dialect::Native), None),
        }
    }

    /// Hands the request to its handler.
    async fn handle(
        &self,
        mut request: Request,
        direct: Option<FastPath>,
        visit: &HttpContext,
    ) -> Response {
        match direct {
            Some(direct) if request.method() == Method::POST => {
                direct.answer(&self.app, request, visit).await
            }
            Some(_) | None => {
                request.extensions_mut().insert(visit.clone());
                match self.router.clone().call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        }
    }
}

/// The answer, unless it takes longer than `limit`. A timer is set only for what is not answered at
/// once.
async fn in_time(
    limit: Duration,
    answer: impl Future<Output = Response>,
    connection: &Connection,
) -> Response {
    let mut answer = pin!(answer);
    if let Poll::Ready(response) =
        poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await
    {
        return response;
    }
    connection.wait();
    let answered = tokio::time::timeout(limit, answer).await;
    connection.wait_no_more();
    answered.unwrap_or_else(|_| {
        let detail = "no answer in time; whether a change was made is not known";
        ApiError::new(Code::Timeout, detail).into_response()
    })
}

/// What is answered on a connection beyond the caps.
fn is_for_operators(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics")
}

/// Whether such an answer is given without reading the request's body.
fn answers_unread(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

/// Writes the body that the error's answer has been waiting for.
#[cold]
fn write_problem(response: &mut Response, error: &ApiError, request_id: &HeaderValue) {
    let problem = Problem::new(error, request_id.to_str().unwrap_or_default());
    let text = wire::to_json(&problem) + "\n";
    *response.body_mut() = Body::from(text);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

impl Service<Request> for HttpService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// For those who have no connection: the peer is unknown.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = Arc::new(Connection::new(self.clone(), None, Place::Ordinary));
        Box::pin(async move { Ok(connection.site.answer(request, &connection).await) })
    }
}

/// Names requests: a random start, then a walk through all 64-bit numbers in mixed order.
struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> RequestIds {
        let mut start = [0; 8];
        // Ids need only differ; without randomness they start at 0.
        let _ = getrandom::fill(&mut start);
        RequestIds { next: AtomicU64::new(u64::from_le_bytes(start)) }
    }

    /// The caller's id if it is a sane one and no key, for it is recorded and logged; else a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(&REQUEST_ID) {
            Some(id) if is_sane(id) => id.clone(),
            Some(_) | None => self.make(),
        }
    }

    fn make(&self) -> HeaderValue {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        // SplitMix64: a bijection, so no id comes twice.
        let mut mixed = self.next.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let mut text = [0; 16];
        for (digit, place) in text.iter_mut().zip(0_u32..) {
            let nibble = (mixed >> (60 - 4 * place)) & 0xF;
            *digit = HEX.get(usize::try_from(nibble).unwrap_or(0)).copied().unwrap_or(b'0');
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

fn is_sane(id: &HeaderValue) -> bool {
    let sane = |b| matches!(b, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'_' | b'-');
    (1..=64).contains(&id.len())
        && id.as_bytes().iter().all(|b| sane(*b))
        && id.to_str().is_ok_and(|id| !keys::contains_key(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        let ids = RequestIds::new();
        let long = "a".repeat(65);
        // A key that was made, then one with a checksum that is wrong.
        let key = "kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7";
        let none = "kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ8";
        for (sent, kept) in [
            ("a.B_9-", true),
            ("", false),
            ("a b", false),
            ("é", false),
            (&long, false),
            (key, false),
            (none, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
            assert_eq!(ids.of(&headers) == sent, kept, "{sent}");
        }
        assert_ne!(ids.make(), ids.make());
        assert!(is_sane(&ids.make()));
    }
}
