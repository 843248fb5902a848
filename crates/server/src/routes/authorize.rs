//! `/v1/authorize`: forward auth for gateways (nginx `auth_request`, Traefik, Caddy, Envoy).
//!
//! A gateway sends what its client sent, so any method is answered, and any path below: Envoy puts
//! the client's path behind its `path_prefix`. No body is read. Every answer, also of the request
//! layer, has all of [`HEADERS`]: a gateway that copies them to the service behind always
//! overwrites what its client sent under these names.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

mod limit_fields;
pub(crate) mod presented;

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use keys::{Account, NewKey, Question, Subject, Timestamp, Verdict};
use ledger::{Identity, Limits, Role, Roles, Scope, VERIFY, Via};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use self::presented::{Presented, presented};
use crate::app::App;
use crate::auth;
use crate::error::{ApiError, Code};
use crate::http::route::{Route, Routes};
use crate::request::authenticated;
use crate::request::context::HttpContext;
use crate::request::extract::{header_text, parse, query};
use crate::routes::verify::unrecorded;
use crate::wire;

/// Where it is.
pub(crate) const PATH: &str = "/v1/authorize";
const TOKEN: HeaderName = HeaderName::from_static("x-keyledger-token");
const OPTIONS: HeaderName = HeaderName::from_static("x-keyledger-options");
const CODE: HeaderName = HeaderName::from_static("x-key-code");
const ID: HeaderName = HeaderName::from_static("x-key-id");
const ACCOUNT: HeaderName = HeaderName::from_static("x-key-account");
const OWNER: HeaderName = HeaderName::from_static("x-key-owner");
const ROLE: HeaderName = HeaderName::from_static("x-key-role");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-key-permissions");
const EXPIRES_AT: HeaderName = HeaderName::from_static("x-key-expires-at");

/// What every answer says of a key; empty where there is nothing to say.
const HEADERS: [HeaderName; 7] = [CODE, ID, ACCOUNT, OWNER, ROLE, PERMISSIONS, EXPIRES_AT];

/// How long the rest of a body is waited for.
const BODY_PATIENCE: Duration = Duration::from_millis(100);
/// The most bytes of a body that are read, to be thrown away.
const MAX_BODY: usize = 1024 * 1024;

/// All but unreserved characters (RFC 3986 §2.3) and what lists and permissions are written with.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'*')
    .remove(b':')
    .remove(b'@');

/// Forward auth for gateways with a token.
pub(crate) fn router() -> Routes {
    routes(any(authorize), any(below))
}

/// Forward auth without a token: whoever reaches it may ask about `account`.
pub(crate) fn router_of(account: Account) -> Routes {
    let fixed = any(fixed).layer(Extension(Fixed::new(account)));
    routes(fixed.clone(), fixed)
}

fn routes(at: MethodRouter<App>, below: MethodRouter<App>) -> Routes {
    Routes::default()
        .add(Route::new(PATH).complete(complete), at)
        .add(Route::new("/v1/authorize/").complete(complete), below.clone())
        .add(Route::new("/v1/authorize/{*path}").complete(complete), below)
}

/// What the client's request needs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Needs {
    /// The only tenant whose keys are good here.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// The permission that is needed; not checked if missing.
    #[param(value_type = Option<wire::words::AskedPermission>)]
    permission: Option<String>,
    /// The project; not checked if missing.
    #[param(min_length = 1, max_length = 100)]
    project: Option<String>,
    /// The environment; not checked if missing.
    #[param(value_type = Option<wire::words::Environment>)]
    environment: Option<String>,
    /// How many uses it counts as; 0 is answered as 1 would be, and uses nothing.
    #[param(minimum = 0, maximum = 1_000_000, default = 1)]
    cost: Option<u32>,
    /// The status for a key whose rate limit or quota is reached: 429, or 403 for gateways that take
    /// no status but 401 and 403 for a no (nginx); `X-Key-Code` is `RATE_LIMITED` or `USAGE_EXCEEDED`
    /// in both cases.
    #[param(minimum = 403, maximum = 429, default = 429)]
    limit_status: Option<u16>,
}

impl Needs {
    /// As the gateway asks: in the query; below the address, where path and query are the client's,
    /// in a header of the gateway's own.
    fn of(parts: &Parts) -> Result<Needs, ApiError> {
        let options = header_text(&parts.headers, &OPTIONS)?;
        match (forwarded_path(parts), options) {
            (Some(_), options) => query(options),
            (None, None) => query(parts.uri.query()),
            // One of the two is the client's, and it is not known which.
            (None, Some(_)) => {
                Err(ApiError::field(OPTIONS.as_str(), "is for paths below /v1/authorize/ only"))
            }
        }
    }

    fn limit_status(&self) -> Result<StatusCode, ApiError> {
        match self.limit_status {
            None | Some(429) => Ok(StatusCode::TOO_MANY_REQUESTS),
            Some(403) => Ok(StatusCode::FORBIDDEN),
            Some(_) => Err(ApiError::field("limit_status", "must be 403 or 429")),
        }
    }
}

/// The client's path, where the gateway puts it behind the address.
fn forwarded_path(parts: &Parts) -> Option<&str> {
    parts.uri.path().strip_prefix(PATH).filter(|below| !below.is_empty())
}

/// Adds what an answer does not say of a key, as empty.
fn complete(headers: &mut HeaderMap) {
    for name in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(""));
    }
}

/// Who asks at an address of its own, without a token.
#[derive(Clone)]
struct Fixed(Arc<Identity>);

impl Fixed {
    /// Whoever reaches the address may verify the keys of `account`.
    #[expect(clippy::expect_used, reason = "the subject is a constant")]
    fn new(account: Account) -> Fixed {
        let identity = Identity {
            subject: Subject::new("authorize").expect("a lawful subject"),
            scope: Scope::Account(account),
            roles: Roles::default().with(Role::Verifier),
            via: Via::Token { issuer: auth::token::ISSUER.into(), jti: None },
        };
        Fixed(Arc::new(identity))
    }
}

/// Forward auth for gateways
///
/// Any method will do, and a body is not looked at. The gateway's own token comes in
/// `X-Keyledger-Token`; the client's key in `X-API-Key` (or the headers of `--key-header`), as
/// `Authorization: Bearer`, or as `api_key` in the query of `X-Forwarded-Uri`, `X-Original-URI` or
/// `X-Original-URL`. Every answer has `X-Key-Code`, `X-Key-Id`, `X-Key-Account`, `X-Key-Owner`,
/// `X-Key-Role`, `X-Key-Permissions` and `X-Key-Expires-At`, percent-encoded, empty where there is
/// nothing to say. Of a key with a rate limit or a quota `RateLimit-Policy` and `RateLimit` say what
/// they are and have left.
#[utoipa::path(
    get,
    path = "/v1/authorize",
    operation_id = "authorize",
    tag = "verify",
    params(Needs),
    responses(
        (
            status = 200,
            description = "The key may be used",
        ),
    ),
)]
pub(crate) async fn authorize(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let response = gateway(&app, &parts).and_then(|identity| decide(&app, &parts, &identity));
    behind_body(body, response).await
}

/// Forward auth for gateways that put the client's path behind the address (Envoy's `path_prefix`)
///
/// As `/v1/authorize`, with any path below. Path and query are the client's: a key may stand there
/// as `api_key`. What the request needs comes in `X-Keyledger-Options`, written as the query of
/// `/v1/authorize`: `permission=orders.read&limit_status=403`.
#[utoipa::path(
    get,
    path = "/v1/authorize/{path}",
    operation_id = "authorizeBelow",
    tag = "verify",
    params(
        ("path" = String, Path, description = "The client's path"),
        ("X-Keyledger-Options" = Option<String>, Header, description = "What the request needs"),
    ),
    responses(
        (status = 200, description = "The key may be used"),
    ),
)]
pub(crate) async fn below(app: State<App>, request: Request) -> Response {
    authorize(app, request).await
}

/// The same at an address of its own, without a token.
async fn fixed(
    State(app): State<App>,
    Extension(Fixed(identity)): Extension<Fixed>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let response = decide(&app, &parts, &identity);
    behind_body(body, response).await
}

/// Who the gateway is, by its token.
fn gateway(app: &App, parts: &Parts) -> Result<Arc<Identity>, ApiError> {
    let token = header_text(&parts.headers, &TOKEN)?;
    let token = token.ok_or_else(|| {
        ApiError::new(Code::Unauthenticated, "send the gateway's token as X-Keyledger-Token")
    })?;
    authenticated::not_a_key(token)?;
    let token = app.auth().check(token, app.ledger().now())?;
    authenticated::require(&token.identity, VERIFY)?;
    Ok(Arc::clone(&token.identity))
}

/// The answer, once the body is out of the way. A gateway that announces a body and sends none
/// (nginx, when it is told half of what to do) still has its answer; the connection ends then,
/// because nobody knows where the next request begins.
async fn behind_body(body: Body, response: Result<Response, ApiError>) -> Response {
    let mut response = response.into_response();
    let discarded = tokio::time::timeout(BODY_PATIENCE, discard(body)).await;
    if discarded != Ok(true) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end and keeps nothing. `false` if it has no end within [`MAX_BODY`].
async fn discard(mut body: Body) -> bool {
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return false };
        length += frame.data_ref().map_or(0, bytes::Bytes::len);
        if length > MAX_BODY {
            return false;
        }
    }
    true
}

fn decide(app: &App, parts: &Parts, identity: &Arc<Identity>) -> Result<Response, ApiError> {
    let needs = Needs::of(parts)?;
    let account: Option<Account> = parse("account", needs.account.as_deref())?;
    let limit_status = needs.limit_status()?;
    let question = Question {
        permission: wire::permission("permission", needs.permission.as_deref())?,
        ip: HttpContext::of(&parts.extensions).client(&parts.headers, app),
        project: parse("project", needs.project.as_deref())?,
        environment: parse("environment", needs.environment.as_deref())?,
        cost: wire::cost(needs.cost)?,
    };
    let forwarded_query = forwarded_path(parts).and(parts.uri.query());
    let key = match presented(&parts.headers, &app.config().key_headers, forwarded_query) {
        Presented::One(key) => key,
        Presented::None => return Ok(denied(Code::KeyMissing, "no API key was sent", "MISSING")),
        Presented::Several => {
            return Ok(denied(Code::KeysDiffer, "two different API keys were sent", "AMBIGUOUS"));
        }
    };
    let identity = match account {
        None => Cow::Borrowed(identity),
        Some(account) if identity.scope.account() == Some(&account) => Cow::Borrowed(identity),
        Some(account) if identity.scope.covers(&account) => {
            let scope = Scope::Account(account);
            Cow::Owned(Arc::new(Identity { scope, ..Identity::clone(identity) }))
        }
        // Keys of an account that the token may not see are not found, as everywhere.
        Some(_) => return Ok(refused(Verdict::NotFound)),
    };
    let verified = app.ledger().verify(&unrecorded(&identity), &key, &question)?;
    let limits = &verified.limits;
    let mut response = match (verified.verdict, verified.key) {
        (Verdict::Valid, Some(key)) => allowed(&key, verified.expires_at),
        (Verdict::RateLimited, _) => {
            used_up(Code::KeyRateLimited, Verdict::RateLimited, limit_status, limits)
        }
        (Verdict::UsageExceeded, _) => {
            used_up(Code::UsageExceeded, Verdict::UsageExceeded, limit_status, limits)
        }
        (Verdict::IpNotAllowed, _) if question.ip.is_none() => denied(
            Code::KeyNotAllowed,
            "the API key is not good for this: the client's address is not known",
            Verdict::IpNotAllowed.as_str(),
        ),
        (verdict, _) => refused(verdict),
    };
    limit_fields::add(response.headers_mut(), limits);
    Ok(response)
}

#[expect(clippy::expect_used, reason = "encoded text is lawful in a header")]
fn allowed(key: &NewKey, expires_at: Option<Timestamp>) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut set = |name: HeaderName, text: &str| {
        headers.insert(name, HeaderValue::from_str(text).expect("encoded text"));
    };
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let permissions: Vec<String> =
        key.permissions.iter().map(|permission| encoded(permission.as_str())).collect();
    set(CODE, Verdict::Valid.as_str());
    set(ID, &key.id.to_string());
    set(ACCOUNT, &encoded(key.account.as_str()));
    set(OWNER, &encoded(key.owner.as_str()));
    set(ROLE, &encoded(key.role.as_ref().map_or("", keys::KeyRole::as_str)));
    set(PERMISSIONS, &permissions.join(","));
    if let Some(expires_at) = expires_at {
        set(EXPIRES_AT, &expires_at.to_string());
    }
    response
}

fn refused(verdict: Verdict) -> Response {
    let (code, detail) = match verdict {
        Verdict::Malformed
        | Verdict::NotFound
        | Verdict::Revoked
        | Verdict::Expired
        | Verdict::Disabled => (Code::KeyRejected, "the API key is not, or no longer, good"),
        Verdict::WrongEnvironment
        | Verdict::WrongProject
        | Verdict::IpNotAllowed
        | Verdict::InsufficientPermissions
        | Verdict::RateLimited
        | Verdict::UsageExceeded
        | Verdict::Valid => (Code::KeyNotAllowed, "the API key is not good for this"),
    };
    denied(code, detail, verdict.as_str())
}

/// The key's rate limit or its quota is reached.
fn used_up(code: Code, verdict: Verdict, status: StatusCode, limits: &Limits) -> Response {
    // 403 is a code of its own: the problem says the status it came with.
    let code = if status == code.status() { code } else { Code::KeyNotAllowed };
    let detail = "the API key was used as often as its limits allow";
    let mut response = denied(code, detail, verdict.as_str());
    if let Some(wait) = limits.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, limit_fields::seconds(wait).into());
    }
    response
}

fn denied(code: Code, detail: &'static str, verdict: &'static str) -> Response {
    let mut response = ApiError::new(code, detail).into_response();
    response.headers_mut().insert(CODE, HeaderValue::from_static(verdict));
    response
}
