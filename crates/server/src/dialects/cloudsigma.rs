//! cloudsigma: keys with a daily limit, named by their prefix; managed by tokens of a paid plan.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{delete, get, post};
use keys::{Dialect, Policy, Quota, QuotaPeriod, Revocation, Secret, Status, Timestamp};
use ledger::{Change, Changes, KeyView, MANAGE, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::answer::{error_body, phrase, with_secret};
use super::caller::{DialectCaller, api_key, authorization};
use super::error_class::ErrorClass;
use super::face::{DialectRoute, Face, NativeRules, Paths, Proof, fast_path, mount, paths};
use super::key_list;
use super::request::path_text;
use super::rights::Rights;
use super::unlisted_fields::UnlistedFields;
use crate::app::App;
use crate::auth::checked::Plan;
use crate::error::{ApiError, Code};
use crate::request::authenticated::not_a_key;
use crate::request::body::read_json;
use crate::request::extract::{field, json};
use crate::wire;

const DIALECT: Dialect = Dialect::Cloudsigma;
const KEYS: Paths = paths!("cloudsigma", "/v1/api-keys");
const KEY: Paths = paths!("cloudsigma", "/v1/api-keys/{prefix}");

#[derive(OpenApi)]
#[openapi(paths(create, list, revoke), components(schemas(Failure)))]
struct Api;

/// The dialect.
pub(super) static FACE: Face = Face {
    dialect: DIALECT,
    mount: mount!("cloudsigma"),
    routes: || {
        vec![
            DialectRoute::new(KEYS, get(list).merge(post(create))).fast_post(fast_path!(create)),
            DialectRoute::new(KEY, delete(revoke)),
        ]
    },
    write_error,
    document: Api::openapi,
    about: "API keys with a daily limit, named by their prefix; managed by tokens of a paid plan.",
    proofs: &[Proof::Token],
    rules: NativeRules { rotate, ..NativeRules::NONE },
};

/// What went well.
#[derive(Serialize, ToSchema)]
struct Success<T> {
    success: bool,
    data: T,
}

impl<T> Success<T> {
    fn new(data: T) -> Success<T> {
        Success { success: true, data }
    }
}

/// What did not.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    success: bool,
    error: Reason<'a>,
}

#[derive(Serialize, ToSchema)]
struct Reason<'a> {
    code: String,
    message: &'a str,
}

/// A key takes a paid plan and has the plan's daily limit, through the native API too.
fn rotate(
    app: &App,
    rights: Rights,
    _: &keys::NewKey,
    changes: &mut Changes,
) -> Result<(), ApiError> {
    rights.needs_plan(Plan::Pro, DIALECT)?;
    let most = app.config().cloudsigma_daily_limit;
    if changes.quota.and_then(Quota::daily).is_some_and(|limit| limit > most) {
        return Err(ApiError::field("daily_limit", format_args!("must be at most {most}")));
    }
    Ok(())
}

/// The code is the name of the status in one word.
fn write_error(error: &ApiError, _: &str) -> (StatusCode, Vec<u8>) {
    let status = error.code.status();
    let (status, message) = match ErrorClass::of(error.code) {
        ErrorClass::Caller => (status, "Invalid or missing JWT token"),
        ErrorClass::KeyAsCaller => (status, "API key auth not allowed for key management"),
        ErrorClass::Key => (StatusCode::NOT_FOUND, "Key prefix not found"),
        ErrorClass::UsedBefore => (StatusCode::CONFLICT, error.detail.as_ref()),
        ErrorClass::AgainstTheRules => (StatusCode::FORBIDDEN, error.detail.as_ref()),
        ErrorClass::Request
        | ErrorClass::NotAllowed
        | ErrorClass::Route
        | ErrorClass::Method
        | ErrorClass::TooManyKeys
        | ErrorClass::Overloaded
        | ErrorClass::Other => (status, error.detail.as_ref()),
    };
    let code = phrase(status).replace(' ', "");
    (status, error_body(&Failure { success: false, error: Reason { code, message } }))
}

/// A token of a paid plan.
fn authenticate(parts: &Parts, app: &App) -> Result<DialectCaller, ApiError> {
    // A key in the other header, or without its scheme, is a key as the caller too, and not the
    // lack of a token.
    if let Some(sent) = authorization(parts)?.or(api_key(parts)?) {
        not_a_key(sent)?;
    }
    let client = DialectCaller::by_token(parts, app, DIALECT)?;
    client.account()?;
    if client.plan < Plan::Pro {
        return Err(ApiError::new(Code::Forbidden, "API keys need the Pro tier or above"));
    }
    Ok(client)
}

#[derive(Deserialize, ToSchema)]
struct Create {
    /// A label: 1 to 200 characters.
    name: String,
    #[serde(flatten)]
    #[schema(ignore)]
    unlisted: UnlistedFields,
}

/// A new key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewKey<'a> {
    /// The whole key, shown once.
    #[schema(required)]
    key: Option<&'a str>,
    prefix: &'a str,
    name: &'a str,
    created_at: String,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Makes a key.
#[utoipa::path(post, path = "/v1/api-keys", operation_id = "createKey", request_body = Create,
    responses((status = 201, body = Success<NewKey>), (status = "4XX", body = Failure)))]
async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let client = authenticate(&parts, &app)?;
    client.require(MANAGE)?;
    let bytes = read_json(&parts.headers, body).await?;
    let Create { name, unlisted } = json(&bytes)?;
    let key_request = NewKeyRequest {
        name: Some(field("name", name.parse())?),
        quota: Quota::new(app.config().cloudsigma_daily_limit, QuotaPeriod::Day).ok(),
        policy: Policy { unique_prefix: DIALECT.unique_prefix(), ..Policy::default() },
        ..NewKeyRequest::default()
    };
    let key_request = unlisted.bind(key_request)?;
    let made = app.ledger().create(&client.caller, key_request, RequestOptions::default()).await?;
    let key = &made.key.key;
    let answer = NewKey {
        key: made.secret.as_ref().map(Secret::reveal),
        prefix: key.prefix.as_str(),
        name: key.name.as_str(),
        created_at: made.key.created_at.to_seconds_text(),
        expires_at: made.key.state.expires_at.map(Timestamp::to_seconds_text),
    };
    Ok(with_secret(StatusCode::CREATED, &Success::new(answer)))
}

/// A key in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Listed {
    prefix: String,
    name: String,
    created_at: String,
    /// Missing until the key is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
/// Written as it is read, and so only described here.
struct List {
    keys: Vec<Listed>,
}

/// Lists the caller's keys.
#[utoipa::path(get, path = "/v1/api-keys", operation_id = "listKeys",
    responses((status = 200, body = Success<List>), (status = "4XX", body = Failure)))]
async fn list(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let client = authenticate(&parts, &app)?;
    let listing = client.own_keys(&app, DIALECT)?;
    let show = |view: &KeyView, _| {
        view.status.is_alive().then(|| Listed {
            prefix: view.key.prefix.as_str().to_owned(),
            name: view.key.name.to_string(),
            created_at: view.created_at.to_seconds_text(),
            last_used_at: view.last_used_at.map(Timestamp::to_seconds_text),
            expires_at: view.state.expires_at.map(Timestamp::to_seconds_text),
        })
    };
    let head = "{\"success\":true,\"data\":{\"keys\":[";
    key_list::stream(&app, listing, (head, |_| "]}}".to_owned()), show).await
}

/// What revoking a key answers.
#[derive(Serialize, ToSchema)]
struct Revoked {
    message: &'static str,
}

/// Revokes a key for good.
#[utoipa::path(delete, path = "/v1/api-keys/{prefix}", operation_id = "revokeKey",
    params(("prefix" = String, Path, description = "The key's prefix")),
    responses((status = 200, body = Success<Revoked>), (status = "4XX", body = Failure)))]
async fn revoke(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let client = authenticate(&parts, &app)?;
    client.require(MANAGE)?;
    let prefix = path_text(&mut parts, &app).await;
    let unknown = || ApiError::from(keys::Refusal::UnknownKey);
    let id = app.ledger().id_by_prefix(&client.caller, DIALECT, &prefix).ok_or_else(unknown)?;
    let view = app.ledger().key_of_dialect(&client.caller, DIALECT, id)?;
    if view.key.owner != client.caller.identity.subject || view.status == Status::Revoked {
        return Err(unknown());
    }
    let options = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let change = Change::Revoke(Revocation::default());
    app.ledger().change(&client.caller, id, change, options).await?;
    Ok(wire::bare_json(StatusCode::OK, &Success::new(Revoked { message: "API key revoked" })))
}
