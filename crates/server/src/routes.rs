//! The list of routes: for axum, and for the request layer, which names each by its template.

use axum::Router;
use axum::handler::Handler as _;
use axum::routing::MethodRouter;
use keys::Dialect;

use crate::site::Site;
use crate::{ApiError, App, Code};

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
    pub(crate) fn site(self, app: App) -> Site {
        let router = self
            .router
            .method_not_allowed_fallback(wrong_method)
            .fallback_service(wrong_route.with_state(()))
            .with_state(app.clone());
        Site::new(app, router, &self.templates)
    }
}

async fn wrong_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "the route has other methods, see Allow")
}

async fn wrong_route() -> ApiError {
    ApiError::new(Code::NotFound, "no such route, see /docs")
}
