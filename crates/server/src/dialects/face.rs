//! What a dialect is to this crate: one value, made in the dialect's own file.

use axum::http::StatusCode;
use axum::routing::MethodRouter;
use keys::{Dialect, NewKey};
use ledger::Changes;
use utoipa::openapi::OpenApi;

use super::rights::Rights;
use crate::app::App;
use crate::error::ApiError;
use crate::http::error_form::ErrorForm;
use crate::http::fast_path::FastPath;
use crate::http::route::{Route, Routes};

/// A dialect: the API of another key service over the same ledger.
///
/// The formats and limits of its keys are the domain's, see [`Dialect`].
pub(crate) struct Face {
    /// The dialect that its keys and records name.
    pub(super) dialect: Dialect,
    /// Where it is served.
    pub(super) mount: Mount,
    /// Its routes.
    pub(super) routes: fn() -> Vec<DialectRoute>,
    /// The status and the body of an error, by the error and the request's id.
    pub(super) write_error: fn(&ApiError, &str) -> (StatusCode, Vec<u8>),
    /// The OpenAPI document of its routes, as their annotations have it.
    pub(super) document: fn() -> OpenApi,
    /// What it is, in one sentence of that document.
    pub(super) about: &'static str,
    /// How its callers prove who they are.
    pub(super) proofs: &'static [Proof],
    /// What the native API has to keep to with its keys.
    pub(super) rules: NativeRules,
}

/// Where a dialect is served, see [`mount`].
#[derive(Clone, Copy)]
pub(super) struct Mount {
    /// What its paths begin with.
    pub(super) prefix: &'static str,
    /// The path of its OpenAPI document.
    pub(super) document: &'static str,
}

/// The mount of the dialect with this name.
macro_rules! mount {
    ($name:literal) => {
        $crate::dialects::face::Mount {
            prefix: concat!("/dialects/", $name),
            document: concat!("/dialects/", $name, "/openapi.json"),
        }
    };
}
pub(super) use mount;

/// A route of a dialect.
pub(super) struct DialectRoute {
    pub(super) paths: Paths,
    pub(super) methods: MethodRouter<App>,
    /// What answers a `POST` past the router.
    pub(super) fast_path: Option<FastPath>,
}

/// A route's path under the dialect's mount and at the root, each without and with a slash at the
/// end.
pub(super) type Paths = [&'static str; 4];

/// The four paths of a route.
macro_rules! paths {
    ($dialect:literal, $path:literal) => {
        [
            concat!("/dialects/", $dialect, $path),
            concat!("/dialects/", $dialect, $path, "/"),
            $path,
            concat!($path, "/"),
        ]
    };
}
pub(super) use paths;

impl DialectRoute {
    pub(super) fn new(paths: Paths, methods: MethodRouter<App>) -> DialectRoute {
        DialectRoute { paths, methods, fast_path: None }
    }

    /// The same, with a way past the router for a `POST`.
    pub(super) fn fast_post(self, fast_path: FastPath) -> DialectRoute {
        DialectRoute { fast_path: Some(fast_path), ..self }
    }
}

/// The way past the router to a handler of `State<App>` and `Request`.
macro_rules! fast_path {
    ($handler:path) => {
        |app, mut request, context| {
            Box::pin(async move {
                request.extensions_mut().insert(context.clone());
                let answer = $handler(axum::extract::State(app.clone()), request).await;
                axum::response::IntoResponse::into_response(answer)
            })
        }
    };
}
pub(super) use fast_path;

/// How a caller proves who it is.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// A token after `Bearer`.
    Token,
    /// A token or a key after `Bearer`.
    Bearer,
    /// A key in this header.
    Header(&'static str),
}

/// What the native API may do with a dialect's key.
///
/// A dialect has rules about who may make which key. The native rotation makes a key of the same
/// dialect, and enabling gives one back: neither is a way round those rules. What takes a key's
/// power away is always allowed.
#[derive(Clone, Copy)]
pub(super) struct NativeRules {
    /// Refuses to enable a key that the dialect would not enable for this caller.
    pub(super) enable: fn(Rights) -> Result<(), ApiError>,
    /// Refuses a rotation into a key that the dialect would not make for this caller, and gives the
    /// new key what follows from its role.
    pub(super) rotate: fn(&App, Rights, &NewKey, &mut Changes) -> Result<(), ApiError>,
}

impl NativeRules {
    /// Whoever may make or change a key may do the same here.
    pub(super) const NONE: NativeRules =
        NativeRules { enable: |_| Ok(()), rotate: |_, _, _, _| Ok(()) };
}

impl Face {
    /// How its errors are written.
    pub(super) fn error_form(&self) -> ErrorForm {
        ErrorForm { content_type: "application/json", write: self.write_error }
    }

    /// Its routes under its mount, and at the root too if `at_root`.
    pub(super) fn router(&self, at_root: bool) -> Routes {
        let mut routes = Routes::new(self.error_form()).mounted_at(self.mount.prefix);
        for DialectRoute { paths, methods, fast_path } in (self.routes)() {
            let [mounted, mounted_slash, path, path_slash] = paths;
            let at_root = at_root.then_some([path, path_slash]);
            for path in [mounted, mounted_slash].into_iter().chain(at_root.into_iter().flatten()) {
                let route = Route { fast_path, ..Route::new(path) };
                routes = routes.add(route, methods.clone());
            }
        }
        routes
    }
}
