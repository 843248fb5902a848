//! covosign: sandbox and production keys, and keys that make keys of no higher kind.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use keys::{AllowedIps, Dialect, Environment, KeyName, Secret};
use ledger::{Idempotency, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::beyond::Beyond;
use super::caller::{Who, api_key, bearer};
use super::{Paths, Served, Wrong, paths, phrase, plain, with_secret};
use crate::app::App;
use crate::auth::{MANAGE, Plan};
use crate::error::{ApiError, Code};
use crate::request::body::read_json;
use crate::request::change::digest;
use crate::request::extract::{idempotency_key, json};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Covosign;
pub(super) const KEYS: Paths = paths!("covosign", "/api/v1/api-keys");
const MADE: &str = "API key created successfully. Store it securely - it won't be shown again.";
const WRONG_NAME: &str = "Name must be between 1 and 200 characters";
const WRONG_ENVIRONMENT: &str = "Environment must be SANDBOX or PRODUCTION";
const WRONG_IPS: &str = "Allowed IPs must be addresses or CIDR networks";
const NOT_ENTERPRISE: &str = "Enterprise plan required for production API keys";

#[derive(OpenApi)]
#[openapi(paths(create))]
struct Api;

pub(super) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

pub(super) fn routes() -> Served {
    vec![(KEYS, post(create))]
}

choices!(Stage, "What a key works on.", ["SANDBOX", "PRODUCTION"];);

/// Every answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    code: u16,
    status_text: &'a str,
    message: &'a str,
    data: T,
}

impl<'a, T> Envelope<'a, T> {
    fn new(status: StatusCode, message: &'a str, data: T) -> Envelope<'a, T> {
        Envelope { code: status.as_u16(), status_text: phrase(status), message, data }
    }
}

pub(super) fn error(error: &ApiError) -> (StatusCode, Vec<u8>) {
    let told = error.detail.as_ref();
    let (status, message) = match Wrong::of(error.code) {
        Wrong::Caller => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        Wrong::UsedBefore => (StatusCode::CONFLICT, told),
        Wrong::Overloaded => (StatusCode::TOO_MANY_REQUESTS, told),
        Wrong::Request
        | Wrong::KeyAsCaller
        | Wrong::NotAllowed
        | Wrong::Key
        | Wrong::Route
        | Wrong::Method
        | Wrong::TooManyKeys
        | Wrong::Other => (error.code.status(), told),
    };
    (status, super::body(&Envelope::new(status, message, None::<()>)))
}

/// A key of this dialect in `X-API-Key` or as bearer, or a token as bearer.
fn who(parts: &Parts, app: &App) -> Result<Who, ApiError> {
    // A token is no key: it has no business in that header.
    let key = || api_key(parts).map(|key| key.filter(|key| keys::looks_like_key(key)));
    let credential = match bearer(parts)? {
        Some(bearer) => bearer,
        None => key()?.ok_or_else(ApiError::no_token)?,
    };
    let who = Who::by_key_or_token(parts, app, DIALECT, credential)?;
    who.require(MANAGE)?;
    who.account()?;
    Ok(who)
}

/// A key that is wanted. What is no text is no name, and is told so.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Create {
    /// A label: 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = String)]
    name: serde_json::Value,
    /// For tests, or for real.
    #[serde(default)]
    #[schema(value_type = Stage)]
    environment: serde_json::Value,
    /// Addresses and networks it may be used from.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_ips: serde_json::Value,
    #[serde(flatten)]
    #[schema(ignore)]
    beyond: Beyond,
}

/// A new key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: String,
    /// The whole key, shown once; null for a repeated request that comes too late for it.
    #[schema(required)]
    api_key: Option<&'a str>,
    key_prefix: &'a str,
    name: &'a str,
    #[schema(value_type = Stage)]
    environment: &'a str,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl Create {
    fn draft(self) -> Result<NewKeyRequest, ApiError> {
        let name = self.name.as_str().and_then(|name| name.parse::<KeyName>().ok());
        let name = name.ok_or_else(|| ApiError::field_in_words("name", WRONG_NAME))?;
        let environment = match self.environment.as_str() {
            Some("SANDBOX") => Environment::Sandbox,
            Some("PRODUCTION") => Environment::Live,
            Some(_) | None => {
                return Err(ApiError::field_in_words("environment", WRONG_ENVIRONMENT));
            }
        };
        let wrong_ips = || ApiError::field_in_words("allowedIps", WRONG_IPS);
        let ips: Option<Vec<String>> =
            serde_json::from_value(self.allowed_ips).map_err(|_| wrong_ips())?;
        let allowed_ips = AllowedIps::parse(&ips.unwrap_or_default()).map_err(|_| wrong_ips())?;
        self.beyond.bind(NewKeyRequest { name: Some(name), environment, allowed_ips, ..plain() })
    }
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/api-keys", operation_id = "createKey", request_body = Create,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key and request within 24 hours make one API key")),
    responses((status = 201, body = Envelope<Created>), (status = "4XX", body = Envelope<Option<String>>)))]
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let who = who(&parts, &app)?;
    let bytes = read_json(&parts.headers, body).await?;
    let draft = json::<Create>(&bytes)?.draft()?;
    if draft.environment == Environment::Live && !may_make_live(&who) {
        return Err(ApiError::new(Code::Forbidden, NOT_ENTERPRISE));
    }
    let idempotency = idempotency_key(&parts.headers)?.map(|key| once(&who, key, &bytes));
    let ask = RequestOptions { idempotency: idempotency.transpose()?, ..RequestOptions::default() };
    let made = app.ledger().create(&who.caller, draft, ask).await?;
    let key = &made.key.key;
    let answer = Created {
        id: key.id.to_string(),
        api_key: made.secret.as_ref().map(Secret::reveal),
        key_prefix: key.prefix.as_str(),
        name: key.name.as_str(),
        environment: match key.environment {
            Environment::Live => "PRODUCTION",
            Environment::Sandbox => "SANDBOX",
        },
        expires_at: made.key.state.expires_at.map(keys::Timestamp::to_seconds_text),
    };
    let status = StatusCode::CREATED;
    let mut response = with_secret(status, &Envelope::new(status, MADE, answer));
    wire::replayed(&mut response, made.replayed);
    Ok(response)
}

/// A production key makes both kinds, a sandbox key only its own, a token as its plan says.
fn may_make_live(who: &Who) -> bool {
    match &who.key {
        Some(key) => key.key.environment == Environment::Live,
        None => who.plan == Plan::Enterprise,
    }
}

/// Scoped to the caller, and to the very key it called with, whose means another may not have.
fn once(who: &Who, key: &str, body: &[u8]) -> Result<Idempotency, ApiError> {
    let account = who.account()?;
    let subject = who.caller.identity.subject.as_str();
    let by = who.key.as_ref().map_or_else(String::new, |key| key.key.id.to_string());
    let scope = ["covosign", account.as_str(), subject, &by, key].map(str::as_bytes);
    Ok(Idempotency { key: digest(&scope), request: digest(&[b"covosign", body]) })
}
