//! The list of routes: for axum, and for the request layer, which names each by its template.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler as _;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use keys::Dialect;

use crate::app::App;
use crate::dialects;
use crate::error::{ApiError, Code};
use crate::http::connection::HttpContext;
use crate::http::service::HttpService;
use crate::routes::{keys as keys_routes, verify};

/// What is asked most: a `POST` that the request layer hands to its handler itself, because the way
/// through the router takes longer than the answer. The router has the same handlers.
#[derive(Clone, Copy)]
pub(crate) enum FastPath {
    /// `POST /v1/keys/verify`
    Verify,
    /// `POST /v1/keys`
    Create,
    /// The same of a dialect.
    Spoken(Dialect),
}

impl FastPath {
    /// What a `POST` to `template` is.
    pub(crate) fn at(template: &str, dialect: Dialect) -> Option<FastPath> {
        match template {
            "/v1/keys/verify" => Some(FastPath::Verify),
            "/v1/keys" => Some(FastPath::Create),
            _ => dialects::makes_keys(dialect, template).then_some(FastPath::Spoken(dialect)),
        }
    }

    pub(crate) async fn answer(
        self,
        app: &App,
        mut request: Request,
        visit: &HttpContext,
    ) -> Response {
        match self {
            FastPath::Spoken(dialect) => {
                request.extensions_mut().insert(visit.clone());
                dialects::create(dialect, app, request).await.into_response()
            }
            FastPath::Verify => verify::answer(app, request, visit).await.into_response(),
            FastPath::Create => {
                keys_routes::answer_create(app, request, visit).await.into_response()
            }
        }
    }
}

/// Routes being listed.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<App>,
    templates: Vec<(&'static str, Dialect)>,
}

impl Routes {
    /// With one more route.
    pub(crate) fn add(self, template: &'static str, methods: MethodRouter<App>) -> Routes {
        self.add_spoken(Dialect::Native, template, methods)
    }

    /// With one more route, whose errors have the form of `dialect`.
    pub(crate) fn add_spoken(
        mut self,
        dialect: Dialect,
        template: &'static str,
        methods: MethodRouter<App>,
    ) -> Routes {
        self.router = self.router.route(template, methods);
        self.templates.push((template, dialect));
        self
    }

    /// The served site; what is not listed is answered with a problem.
    pub(crate) fn site(self, app: App) -> HttpService {
        let router = self
            .router
            .method_not_allowed_fallback(wrong_method)
            .fallback_service(wrong_route.with_state(()))
            .with_state(app.clone());
        HttpService::new(app, router, &self.templates)
    }
}

async fn wrong_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "the route has other methods, see Allow")
}

async fn wrong_route() -> ApiError {
    ApiError::new(Code::NotFound, "no such route, see /docs")
}
