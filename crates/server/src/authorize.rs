//! `GET /v1/authorize`: forward auth for gateways (nginx `auth_request`, Traefik, Caddy, Envoy).

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::borrow::Cow;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keys::{Account, NewKey, Question, Subject, Timestamp, Verdict};
use ledger::{Duties, Duty, Identity, Scope, Via};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::{self, VERIFY};
use crate::connection::Visit;
use crate::extract::{header_text, parse, query};
use crate::verify::unrecorded;
use crate::{ApiError, App, Code, wire};

const TOKEN: HeaderName = HeaderName::from_static("x-keyledger-token");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const CODE: HeaderName = HeaderName::from_static("x-key-code");
const ORIGINALS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];

/// All but unreserved characters (RFC 3986 §2.3) and what lists and permissions are written with.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'*')
    .remove(b':')
    .remove(b'@');

/// What the client's request needs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Needs {
    /// The only tenant whose keys are good here.
    account: Option<String>,
    /// The permission that is needed; not checked if missing.
    permission: Option<String>,
    /// The project; not checked if missing.
    project: Option<String>,
    /// The environment; not checked if missing.
    environment: Option<String>,
}

/// Who asks at an address of its own, without a token.
#[derive(Clone)]
pub(crate) struct Fixed(Arc<Identity>);

impl Fixed {
    /// Whoever reaches the address may verify the keys of `account`.
    pub(crate) fn new(account: Account) -> Option<Fixed> {
        let identity = Identity {
            subject: Subject::new("authorize").ok()?,
            scope: Scope::Account(account),
            duties: Duties::default().with(Duty::Verifier),
            via: Via::Token { issuer: auth::token::ISSUER.into(), jti: None },
        };
        Some(Fixed(Arc::new(identity)))
    }
}

/// Forward auth for gateways
///
/// The gateway's own token comes in `X-Keyledger-Token`; the client's key in `X-API-Key`, as
/// `Authorization: Bearer`, or as `api_key` in `X-Forwarded-Uri` or `X-Original-URI`.
#[utoipa::path(
    get,
    path = "/v1/authorize",
    tag = "verify",
    params(Needs),
    responses(
        (
            status = 200,
            description = "The key may be used; see X-Key-Id, X-Key-Account, X-Key-Owner, X-Key-Role and X-Key-Permissions, percent-encoded",
        ),
        (
            status = 401,
            body = crate::Problem,
            description = "No key, or one that is not good; see X-Key-Code",
        ),
        (
            status = 403,
            body = crate::Problem,
            description = "The key is not good for this; see X-Key-Code",
        ),
        (status = 429, body = crate::Problem, description = "The key's daily limit is reached"),
    ),
)]
pub(crate) async fn authorize(
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let token = header_text(&parts.headers, &TOKEN)?;
    let token = token.ok_or_else(|| {
        ApiError::new(Code::Unauthenticated, "send the gateway's token as X-Keyledger-Token")
    })?;
    auth::not_a_key(token)?;
    let token = app.auth().check(token, app.ledger().now())?;
    if !token.identity.duties.any(VERIFY) {
        return Err(ledger::Error::Forbidden.into());
    }
    decide(&app, &parts, &token.identity)
}

/// `GET /v1/authorize` at an address of its own.
pub(crate) async fn fixed(
    State(app): State<App>,
    Extension(who): Extension<Option<Fixed>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    match who {
        Some(Fixed(identity)) => decide(&app, &parts, &identity),
        None => Err(ledger::Error::Forbidden.into()),
    }
}

fn decide(app: &App, parts: &Parts, identity: &Arc<Identity>) -> Result<Response, ApiError> {
    let needs: Needs = query(parts.uri.query())?;
    let account: Option<Account> = parse("account", needs.account.as_deref())?;
    let question = Question {
        permission: wire::permission(needs.permission.as_deref())?,
        ip: Visit::of(&parts.extensions)?.client(&parts.headers, app),
        project: parse("project", needs.project.as_deref())?,
        environment: parse("environment", needs.environment.as_deref())?,
    };
    let key = match presented(&parts.headers) {
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
        Some(_) => return Ok(verdict(Verdict::NotFound)),
    };
    let verified = app.ledger().verify(&unrecorded(&identity), &key, &question)?;
    match (verified.verdict, verified.key) {
        (Verdict::Valid, Some(key)) => Ok(allowed(&key, verified.expires_at)),
        (code, _) => Ok(verdict(code)),
    }
}

enum Presented<'a> {
    None,
    One(Cow<'a, str>),
    Several,
}

/// The client's key, from wherever it may stand. A bearer that is no key counts only when nothing
/// else was sent: it may be the client's token for the service behind.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    let text = |value: &HeaderValue| {
        // What is no text is no key, and must not pass for "no key was sent".
        String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
    };
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    found.extend(headers.get_all(API_KEY).iter().map(|value| Cow::Owned(text(value))));
    for original in ORIGINALS {
        for value in headers.get_all(original) {
            let uri = String::from_utf8_lossy(value.as_bytes());
            let Some((_, after)) = uri.split_once('?') else { continue };
            let after = after.split('#').next().unwrap_or_default();
            found.extend(
                form_urlencoded::parse(after.as_bytes())
                    .filter(|(name, _)| name == "api_key")
                    .map(|(_, value)| Cow::Owned(value.into_owned())),
            );
        }
    }
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let text = text(value);
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim().to_owned())
    });
    let (keys, others): (Vec<_>, Vec<_>) = bearers.partition(|text| keys::looks_like_key(text));
    found.extend(keys.into_iter().map(Cow::Owned));
    if found.is_empty() {
        found.extend(others.into_iter().map(Cow::Owned));
    }
    let mut found = found.into_iter();
    match found.next() {
        None => Presented::None,
        Some(first) if found.all(|other| other == first) => Presented::One(first),
        Some(_) => Presented::Several,
    }
}

fn allowed(key: &NewKey, expires_at: Option<Timestamp>) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut set = |name: &'static str, text: &str| {
        // Encoded text is always lawful in a header.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let permissions: Vec<String> =
        key.permissions.iter().map(|permission| encoded(permission.as_str())).collect();
    set("x-key-code", Verdict::Valid.as_str());
    set("x-key-id", &key.id.to_string());
    set("x-key-account", &encoded(key.account.as_str()));
    set("x-key-owner", &encoded(key.owner.as_str()));
    // Sent even if empty, so that a gateway copies it over what a client may have sent.
    set("x-key-role", &encoded(key.role.as_ref().map_or("", keys::Role::as_str)));
    set("x-key-permissions", &permissions.join(","));
    if let Some(expires_at) = expires_at {
        set("x-key-expires-at", &expires_at.to_string());
    }
    response
}

fn verdict(verdict: Verdict) -> Response {
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
        | Verdict::Valid => (Code::KeyNotAllowed, "the API key is not good for this"),
        Verdict::UsageExceeded => (Code::UsageExceeded, "the API key's daily limit is reached"),
    };
    denied(code, detail, verdict.as_str())
}

fn denied(code: Code, detail: &'static str, verdict: &'static str) -> Response {
    let mut response = ApiError::new(code, detail).into_response();
    response.headers_mut().insert(CODE, HeaderValue::from_static(verdict));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "kl_live_000000000000000000000000000000";
    const OTHER: &str = "kl_live_111111111111111111111111111111";

    fn sent(headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a lawful value");
            map.append(HeaderName::from_static(name), value);
        }
        match presented(&map) {
            Presented::None => "none".to_owned(),
            Presented::One(key) => key.into_owned(),
            Presented::Several => "several".to_owned(),
        }
    }

    #[test]
    fn a_key_may_stand_in_several_places_but_only_one_key() {
        let bearer = format!("bearer  {KEY}");
        let uri = format!("/a?x=1&api_key={KEY}#api_key={OTHER}");
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[], "none"),
            (&[("x-api-key", KEY)], KEY),
            (&[("authorization", &bearer)], KEY),
            (&[("x-forwarded-uri", &uri)], KEY),
            (&[("x-original-uri", &uri), ("x-api-key", KEY), ("authorization", &bearer)], KEY),
            (&[("x-original-uri", &uri), ("x-api-key", OTHER)], "several"),
            (&[("x-api-key", KEY), ("x-api-key", OTHER)], "several"),
            (&[("x-api-key", ""), ("authorization", &bearer)], "several"),
            (&[("x-forwarded-uri", "/a?api_key=%6b%6c")], "kl"),
            (&[("x-forwarded-uri", "/a?API_KEY=kl&xapi_key=kl")], "none"),
            (&[("x-forwarded-uri", "/api_key=kl")], "none"),
            // The client's token for the service behind is no key, unless there is nothing else.
            (&[("authorization", "Bearer eyJ.eyJ.x"), ("x-api-key", KEY)], KEY),
            (&[("authorization", "Bearer eyJ.eyJ.x")], "eyJ.eyJ.x"),
            (&[("authorization", "Basic YTpi")], "none"),
        ];
        for (headers, want) in table {
            assert_eq!(sent(headers), *want, "{headers:?}");
        }
    }

    proptest! {
        /// Whatever stands around it in the address, the key in it is found, and a second one too.
        #[test]
        fn a_key_in_an_address_is_found(
            before in "[ -\"$-~]{0,30}",
            after in "[ -~]{0,30}",
            original: bool,
        ) {
            let name = if original { "x-original-uri" } else { "x-forwarded-uri" };
            // What stands before may open the query itself, or not.
            let before = before.replace("api_key", "key");
            let uri = format!("/{before}?&api_key={KEY}&{}", after.replace("api_key", "key"));
            prop_assert_eq!(sent(&[(name, &uri)]), KEY);
            let two = format!("{uri}&x=y");
            prop_assert_eq!(sent(&[(name, &two), ("x-api-key", OTHER)]), "several");
        }

        #[test]
        fn any_headers_are_read(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 4),
        ) {
            let names = ["x-forwarded-uri", "x-original-uri", "x-api-key", "authorization"];
            let mut map = HeaderMap::new();
            for (name, bytes) in names.into_iter().zip(&values) {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    map.append(HeaderName::from_static(name), value);
                }
            }
            // A key that was sent is never passed over as if none was.
            let none = matches!(presented(&map), Presented::None);
            prop_assert!(!(none && map.contains_key("x-api-key")));
        }
    }
}
