//! The dialects: the APIs of five other key services, each a thin face over the same ledger.
//!
//! One file per dialect: its routes, wire types, errors, and who may call. No rule about keys is
//! here; what a dialect needs decided is asked of the ledger in its general terms. Handlers fail
//! with an [`ApiError`] like all others; the request layer has it written in the form of the
//! dialect under whose mount it happened.

mod beyond;
mod callcov;
mod caller;
mod capgo;
mod cloudsigma;
mod composable;
mod covosign;
pub(crate) mod document;
mod list;
mod native;

use axum::extract::{FromRequestParts as _, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use keys::{Dialect, Environment, Kind, Permission, Status, Timestamp};
use ledger::{KeyView, NewKeyRequest, Rules};
use serde::Serialize;

pub(crate) use self::native::{Holder, bind_rotation, may_enable};
use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::error_form::{ErrorForm, PROBLEM};
use crate::http::route::{FastPath, Route, Routes};
use crate::wire;

/// A route's path under the dialect's mount and at the root, each without and with a slash at the
/// end.
type Paths = [&'static str; 4];

/// A dialect's routes.
type Served = Vec<(Paths, MethodRouter<App>)>;

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
use paths;

/// What the request layer needs of a dialect.
struct Face {
    mount: &'static str,
    routes: fn() -> Served,
    error_form: ErrorForm,
    /// Where a `POST` makes a key, and how.
    keys: Paths,
    create: FastPath,
}

/// The error form, the routes and the fast path that a dialect's file gives.
macro_rules! face {
    ($mount:literal, $module:ident) => {
        Face {
            mount: $mount,
            routes: $module::routes,
            error_form: ErrorForm {
                content_type: "application/json",
                write: |error, _| $module::error(error),
            },
            keys: $module::KEYS,
            create: |app, mut request, context| {
                Box::pin(async move {
                    request.extensions_mut().insert(context.clone());
                    $module::create(State(app.clone()), request).await.into_response()
                })
            },
        }
    };
}

/// The dialect's face; the native API has none.
fn face(dialect: Dialect) -> Option<Face> {
    Some(match dialect {
        Dialect::Native => return None,
        Dialect::Covosign => face!("/dialects/covosign", covosign),
        Dialect::Callcov => face!("/dialects/callcov", callcov),
        Dialect::Cloudsigma => face!("/dialects/cloudsigma", cloudsigma),
        Dialect::Capgo => face!("/dialects/capgo", capgo),
        Dialect::Composable => face!("/dialects/composable", composable),
    })
}

/// How a dialect's errors are written.
pub(crate) fn error_form(dialect: Dialect) -> ErrorForm {
    face(dialect).map_or(PROBLEM, |face| face.error_form)
}

/// Every dialect's routes under its mount, and those of `root` at the root too.
pub(crate) fn router(root: Option<Dialect>) -> Routes {
    Dialect::ALL.iter().fold(Routes::default(), |routes, &dialect| match face(dialect) {
        Some(face) => routes.merge(face.router(root == Some(dialect))),
        None => routes,
    })
}

impl Face {
    fn router(self, at_root: bool) -> Routes {
        let mut routes = Routes::new(self.error_form).mounted_at(self.mount);
        for (paths, methods) in (self.routes)() {
            let route = |path| {
                if paths == self.keys {
                    Route::new(path).fast_post(self.create)
                } else {
                    Route::new(path)
                }
            };
            let [mounted, mounted_slash, path, path_slash] = paths;
            routes = routes.add(route(mounted), methods.clone());
            routes = routes.add(route(mounted_slash), methods.clone());
            if at_root {
                routes = routes.add(route(path), methods.clone());
                routes = routes.add(route(path_slash), methods);
            }
        }
        routes
    }
}

/// What went wrong, as far as dialects tell things apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Something in the request.
    Request,
    /// No caller, or none that is known.
    Caller,
    /// A key where a token is wanted.
    KeyAsCaller,
    /// The caller may not do that.
    NotAllowed,
    /// There is no such key any more, or never was.
    Key,
    /// There is no such route.
    Route,
    /// The route has other methods.
    Method,
    /// There are as many active keys as there may be.
    TooManyKeys,
    /// The idempotency key was used with another request.
    UsedBefore,
    /// Too much is waiting.
    Overloaded,
    /// Anything else.
    Other,
}

impl Wrong {
    fn of(code: Code) -> Wrong {
        match code {
            Code::InvalidRequest | Code::AccountRequired | Code::TooLong => Wrong::Request,
            Code::Unauthenticated | Code::KeyMissing | Code::KeysDiffer | Code::KeyRejected => {
                Wrong::Caller
            }
            Code::KeysCannotManageKeys => Wrong::KeyAsCaller,
            Code::Forbidden | Code::KeyNotAllowed => Wrong::NotAllowed,
            Code::KeyNotFound | Code::Already | Code::NotWhileExpired | Code::NotWhileRevoked => {
                Wrong::Key
            }
            Code::NotFound => Wrong::Route,
            Code::MethodNotAllowed => Wrong::Method,
            Code::ActiveKeyLimit => Wrong::TooManyKeys,
            Code::IdempotencyMismatch => Wrong::UsedBefore,
            Code::Overloaded => Wrong::Overloaded,
            Code::UsageExceeded
            | Code::RateLimited
            | Code::EventNotFound
            | Code::NotWhileEnabled
            | Code::NotWhileDisabled
            | Code::AlreadyReplaced
            | Code::KeyExists
            | Code::NotDue
            | Code::RevisionMismatch
            | Code::NotAcceptable
            | Code::UnsupportedEncoding
            | Code::PayloadTooLarge
            | Code::TooManyHeaders
            | Code::LogBroken
            | Code::DiskFull
            | Code::NotReady
            | Code::Timeout
            | Code::Internal => Wrong::Other,
        }
    }
}

/// A live secret key with nothing said about it.
fn plain() -> NewKeyRequest {
    NewKeyRequest {
        account: None,
        owner: None,
        name: None,
        description: None,
        kind: Kind::Secret,
        environment: Environment::Live,
        role: None,
        permissions: Box::default(),
        project: None,
        allowed_ips: keys::AllowedIps::default(),
        expires: None,
        daily_limit: None,
        metadata: keys::Metadata::default(),
        rules: Rules::default(),
    }
}

/// When an expired key's time ended: at its due time, or earlier if somebody ended it.
fn ended_at(view: &KeyView) -> Option<Timestamp> {
    let state = &view.state;
    match state.expires_at {
        _ if view.status != Status::Expired => None,
        Some(due) if state.status.is_alive() => Some(due),
        Some(due) => Some(due.min(state.updated_at)),
        None => Some(state.updated_at),
    }
}

/// An error's body. Strings and numbers into memory: this cannot fail.
fn body(value: &impl Serialize) -> Vec<u8> {
    wire::to_json(value).into_bytes()
}

/// The name of a status: `Not Found`.
fn phrase(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// An answer with a key's text in it, which nobody on the way may keep.
fn with_secret(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = wire::bare_json(status, value);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The one parameter of the path; what is no text names nothing.
async fn path_text(parts: &mut Parts, app: &App) -> String {
    let path = RawPathParams::from_request_parts(parts, app).await;
    let named = path.ok().and_then(|path| path.iter().next().map(|(_, value)| value.to_owned()));
    named.unwrap_or_default()
}

/// The permissions of the word at `place` in `words`, where each holds those before it and the
/// last holds everything.
fn cumulative(words: &[&str], place: usize) -> Result<Box<[Permission]>, ApiError> {
    let granted: Result<_, keys::Invalid> = if place + 1 >= words.len() {
        Permission::new("*").map(|all| [all].into())
    } else {
        words.iter().take(place + 1).map(|word| Permission::new(word)).collect()
    };
    granted.map_err(|error| ApiError::internal(&error))
}
