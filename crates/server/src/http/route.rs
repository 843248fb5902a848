//! Routes as values: the handlers for axum, and what the request layer has to know of each.

use axum::Router;
use axum::handler::Handler as _;
use axum::http::HeaderMap;
use axum::routing::MethodRouter;

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::error_form::{ErrorForm, PROBLEM};
use crate::http::fast_path::FastPath;

/// What the request layer knows of a route besides its handlers.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// The path with its parameters' names, by which the route is counted and logged.
    pub(crate) template: &'static str,
    /// How its errors are written.
    pub(crate) error_form: ErrorForm,
    /// What answers a `POST` past the router.
    pub(crate) fast_path: Option<FastPath>,
    /// Adds the headers that each of its answers has, errors of the request layer too.
    pub(crate) complete: Option<fn(&mut HeaderMap)>,
    /// Whether it is answered on the connections that are kept in reserve for operators.
    pub(crate) for_operators: bool,
}

impl Route {
    /// A route with nothing special about it.
    pub(crate) const fn new(template: &'static str) -> Route {
        Route {
            template,
            error_form: PROBLEM,
            fast_path: None,
            complete: None,
            for_operators: false,
        }
    }

    /// The same, with a way past the router for a `POST`.
    pub(crate) const fn fast_post(self, fast_path: FastPath) -> Route {
        Route { fast_path: Some(fast_path), ..self }
    }

    /// The same, with headers that each of its answers has.
    pub(crate) const fn complete(self, complete: fn(&mut HeaderMap)) -> Route {
        Route { complete: Some(complete), ..self }
    }

    /// The same, answered also where there is no room for anything else.
    pub(crate) const fn for_operators(self) -> Route {
        Route { for_operators: true, ..self }
    }
}

impl From<&'static str> for Route {
    fn from(template: &'static str) -> Route {
        Route::new(template)
    }
}

/// A list of routes whose errors have one form, and what was merged into it.
pub(crate) struct Routes {
    router: Router<App>,
    list: Vec<Route>,
    error_form: ErrorForm,
    /// The prefixes below which also an unknown path is answered in a form of its own.
    mounts: Vec<(&'static str, ErrorForm)>,
}

impl Default for Routes {
    /// An empty list of the native API.
    fn default() -> Routes {
        Routes::new(PROBLEM)
    }
}

impl Routes {
    /// An empty list of an API whose errors have this form.
    pub(crate) fn new(error_form: ErrorForm) -> Routes {
        Routes { router: Router::new(), list: Vec::new(), error_form, mounts: Vec::new() }
    }

    /// With one more route.
    pub(crate) fn add(mut self, route: impl Into<Route>, methods: MethodRouter<App>) -> Routes {
        let route = Route { error_form: self.error_form, ..route.into() };
        self.router = self.router.route(route.template, methods);
        self.list.push(route);
        self
    }

    /// With an unknown path below `prefix` answered in this list's form of errors.
    pub(crate) fn mounted_at(mut self, prefix: &'static str) -> Routes {
        self.mounts.push((prefix, self.error_form));
        self
    }

    /// With all of another list, which keeps its form of errors.
    pub(crate) fn merge(mut self, other: Routes) -> Routes {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self.mounts.extend(other.mounts);
        self
    }

    /// The same routes, each through the router.
    pub(crate) fn without_fast_paths(mut self) -> Routes {
        for route in &mut self.list {
            route.fast_path = None;
        }
        self
    }

    /// What axum serves, and what the request layer knows of it. An unknown path and a method that
    /// its route does not have are errors like any other.
    pub(super) fn into_table(self, app: App) -> RouteTable {
        let router = self
            .router
            .method_not_allowed_fallback(wrong_method)
            .fallback_service(wrong_route.with_state(()))
            .with_state(app);
        RouteTable { router, routes: self.list, mounts: self.mounts }
    }
}

/// All routes of a service.
pub(super) struct RouteTable {
    pub(super) router: Router,
    pub(super) routes: Vec<Route>,
    pub(super) mounts: Vec<(&'static str, ErrorForm)>,
}

async fn wrong_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "the route has other methods, see Allow")
}

async fn wrong_route() -> ApiError {
    ApiError::new(Code::NotFound, "no such route, see /docs")
}
