//! The request layer: request ids, time limit, metrics, and the one form of errors.
//!
//! It stands around the router instead of in it, so that a request passes one future and no boxed
//! layer. It knows routes as values: no resource, no dialect. It logs the route's template, never
//! the path, the query or a header.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::Service;

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::admission::Place;
use crate::http::connection::Connection;
use crate::http::error_form::{ErrorForm, PROBLEM, problem_text};
use crate::http::fast_path::FastPath;
use crate::http::request_id::{REQUEST_ID, RequestIds};
use crate::http::route::{Route, RouteTable, Routes};
use crate::http::unreadable::Unreadable;
use crate::metrics::{RouteMetrics, method_label};
use crate::request::context::HttpContext;

/// The most header fields a request may have.
const MAX_HEADERS: usize = 64;
/// On an answer that shows a part of the trail which could not be recorded as read.
const READING_RECORDED: HeaderName = HeaderName::from_static("x-reading-recorded");
/// What is counted and logged for a path without a route.
const UNKNOWN: &str = "unknown";

/// A served set of routes. A clone is the same one.
#[derive(Clone)]
pub struct HttpService(Arc<Inner>);

struct Inner {
    app: App,
    router: Router,
    /// The place in `routes` of each template.
    templates: matchit::Router<usize>,
    routes: Vec<CountedRoute>,
    mounts: Vec<(&'static str, ErrorForm)>,
    /// For what no route matches.
    unknown: CountedRoute,
    ids: RequestIds,
}

/// A route and its metrics.
struct CountedRoute {
    route: Route,
    metrics: RouteMetrics,
}

impl CountedRoute {
    fn new(app: &App, route: Route) -> CountedRoute {
        CountedRoute { route, metrics: app.metrics().route(route.template) }
    }
}

impl HttpService {
    /// Serves `routes`.
    #[expect(clippy::expect_used, reason = "axum, which matches alike, has taken the template")]
    pub(crate) fn new(app: App, routes: Routes) -> HttpService {
        let RouteTable { router, routes, mounts } = routes.into_table(app.clone());
        let mut templates = matchit::Router::new();
        for (place, route) in routes.iter().enumerate() {
            templates.insert(route.template, place).expect("a template of its own");
        }
        let routes = routes.into_iter().map(|route| CountedRoute::new(&app, route)).collect();
        let unknown = CountedRoute::new(&app, Route::new(UNKNOWN));
        let ids = RequestIds::new();
        HttpService(Arc::new(Inner { app, router, templates, routes, mounts, unknown, ids }))
    }

    pub(crate) fn app(&self) -> &App {
        &self.0.app
    }

    /// Answers one request that came over `connection`.
    pub(crate) async fn answer(&self, request: Request, connection: &Arc<Connection>) -> Response {
        let started = Instant::now();
        let inner = &*self.0;
        let (CountedRoute { route, metrics }, error_form) = inner.route(request.uri().path());
        let method = request.method().clone();
        let has_body = !request.body().is_end_stream();
        let context = HttpContext {
            request_id: inner.ids.of(request.headers()),
            route: route.template,
            connection: Arc::clone(connection),
        };
        let mut response = if request.headers().len() > MAX_HEADERS {
            ApiError::new(Code::TooManyHeaders, "at most 64 header fields").into_response()
        } else if connection.place == Place::Reserved && !route.for_operators {
            ApiError::new(Code::Overloaded, "too many connections").into_response()
        } else {
            connection.begin();
            let answer = inner.handle(request, route.fast_path, &context);
            in_time(inner.app.config().request_timeout, answer, connection).await
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            error_form.apply(&mut response, &error, context.request_id.as_str());
        }
        response.headers_mut().insert(REQUEST_ID, context.request_id.into());
        if connection.is_unrecorded() {
            response.headers_mut().insert(READING_RECORDED, HeaderValue::from_static("false"));
        }
        if let Some(complete) = route.complete {
            complete(response.headers_mut());
        }
        if has_body && answers_unread(response.status()) {
            // The rest of the body may still be on its way; whoever reads on must not take it for
            // a request, so the connection ends, and the client is told.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }

        let took = started.elapsed();
        metrics.record(&method, response.status(), took);
        tracing::debug!(
            route = route.template,
            method = method_label(&method),
            status = response.status().as_u16(),
            micros = took.as_micros(),
            "request"
        );
        response
    }

    /// The request id and the problem for what could not be read as a request.
    #[cold]
    pub(crate) fn unreadable(&self, status: StatusCode) -> Option<Unreadable> {
        let error = match status {
            StatusCode::BAD_REQUEST => ApiError::field("request", "must be HTTP/1.1"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ApiError::new(Code::TooManyHeaders, "the head of the request is too long")
            }
            _ => return None,
        };
        let request_id = self.0.ids.make().as_str().to_owned();
        let problem = problem_text(&error, &request_id);
        self.0.unknown.metrics.record(&Method::TRACE, status, Duration::ZERO);
        Some(Unreadable { request_id, problem })
    }
}

impl Inner {
    /// The route of a path, and how its errors are written.
    fn route(&self, path: &str) -> (&CountedRoute, ErrorForm) {
        match self.templates.at(path).ok().and_then(|found| self.routes.get(*found.value)) {
            Some(counted) => (counted, counted.route.error_form),
            None => (&self.unknown, self.error_form_below(path)),
        }
    }

    /// How the error of a path without a route is written.
    #[cold]
    fn error_form_below(&self, path: &str) -> ErrorForm {
        let is_below = |prefix: &str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mount = self.mounts.iter().find(|(prefix, _)| is_below(prefix));
        mount.map_or(PROBLEM, |(_, error_form)| *error_form)
    }

    /// Hands the request to its handler.
    async fn handle(
        &self,
        mut request: Request,
        fast_path: Option<FastPath>,
        context: &HttpContext,
    ) -> Response {
        match fast_path {
            Some(answer) if request.method() == Method::POST => {
                answer(&self.app, request, context).await
            }
            Some(_) | None => {
                request.extensions_mut().insert(context.clone());
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

impl Service<Request> for HttpService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// For those who have no connection: the peer is unknown.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = Arc::new(Connection::new(None, Place::Ordinary));
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request, &connection).await) })
    }
}
