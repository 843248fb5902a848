//! The dialects: the APIs of five other key services, each a thin face over the same ledger.
//!
//! One file per dialect: its routes, wire types, errors, and who may call. No rule about keys is
//! here; what a dialect needs decided is asked of the ledger in its general terms. Handlers fail
//! with an [`ApiError`] like all others; the request layer has it written in the form of the
//! dialect under whose mount it happened, see [`error`].

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

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::MethodRouter;
use keys::{Dialect, Environment, Kind, Permission, Status, Timestamp};
use ledger::{KeyView, NewKeyRequest, Rules};
use serde::Serialize;

pub(crate) use self::native::{Holder, bind_rotation, may_enable};
use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::route::Routes;
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

/// Adds every dialect's routes under its mount, and those of `root` at the root too.
pub(crate) fn mount(mut routes: Routes, root: Option<Dialect>) -> Routes {
    for &dialect in Dialect::ALL {
        let served = match dialect {
            Dialect::Native => continue,
            Dialect::Covosign => covosign::routes(),
            Dialect::Callcov => callcov::routes(),
            Dialect::Cloudsigma => cloudsigma::routes(),
            Dialect::Capgo => capgo::routes(),
            Dialect::Composable => composable::routes(),
        };
        for ([mounted, mounted_slash, path, path_slash], methods) in served {
            routes = routes.add_spoken(dialect, mounted, methods.clone());
            routes = routes.add_spoken(dialect, mounted_slash, methods.clone());
            if root == Some(dialect) {
                routes = routes.add_spoken(dialect, path, methods.clone());
                routes = routes.add_spoken(dialect, path_slash, methods);
            }
        }
    }
    routes
}

/// Whether a `POST` to `template`, a route of `dialect`, makes a key.
pub(crate) fn makes_keys(dialect: Dialect, template: &str) -> bool {
    let paths = match dialect {
        Dialect::Native => return false,
        Dialect::Covosign => covosign::KEYS,
        Dialect::Callcov => callcov::KEYS,
        Dialect::Cloudsigma => cloudsigma::KEYS,
        Dialect::Capgo => capgo::KEYS,
        Dialect::Composable => composable::KEYS,
    };
    paths.contains(&template)
}

/// Makes a key as `dialect` does.
pub(crate) async fn create(
    dialect: Dialect,
    app: &App,
    request: Request,
) -> Result<Response, ApiError> {
    let app = State(app.clone());
    match dialect {
        Dialect::Native => Err(ApiError::new(Code::NotFound, "no such route, see /docs")),
        Dialect::Covosign => covosign::create(app, request).await,
        Dialect::Callcov => callcov::create(app, request).await,
        Dialect::Cloudsigma => cloudsigma::create(app, request).await,
        Dialect::Capgo => capgo::create(app, request).await,
        Dialect::Composable => composable::create(app, request).await,
    }
}

/// The dialect under whose mount `path` lies, whether or not there is such a route.
pub(crate) fn spoken_at(path: &str) -> Option<Dialect> {
    let name = path.strip_prefix("/dialects/")?.split('/').next()?;
    name.parse().ok().filter(|dialect| *dialect != Dialect::Native)
}

/// Writes the body of an error's answer in the dialect's form. `false` if it has none of its own.
#[cold]
pub(crate) fn write_error(response: &mut Response, dialect: Dialect, error: &ApiError) -> bool {
    let (status, text) = match dialect {
        Dialect::Native => return false,
        Dialect::Covosign => covosign::error(error),
        Dialect::Callcov => callcov::error(error),
        Dialect::Cloudsigma => cloudsigma::error(error),
        Dialect::Capgo => capgo::error(error),
        Dialect::Composable => composable::error(error),
    };
    *response.status_mut() = status;
    *response.body_mut() = Body::from(text);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    true
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
    let standing = &view.standing;
    match standing.expires_at {
        _ if view.status != Status::Expired => None,
        Some(due) if standing.status.is_alive() => Some(due),
        Some(due) => Some(due.min(standing.updated_at)),
        None => Some(standing.updated_at),
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
