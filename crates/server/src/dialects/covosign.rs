//! covosign: sandbox and production keys, and keys that make keys of no higher kind.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use keys::{AllowedIps, Dialect, Environment, KeyName, Secret};
use ledger::{Changes, Idempotency, MANAGE, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::answer::{error_body, phrase, with_secret};
use super::caller::{DialectCaller, api_key, bearer};
use super::error_class::ErrorClass;
use super::face::{DialectRoute, Face, NativeRules, Paths, Proof, fast_path, mount, paths};
use super::rights::Rights;
use super::unlisted_fields::UnlistedFields;
use crate::app::App;
use crate::auth::checked::Plan;
use crate::error::{ApiError, Code};
use crate::request::body::read_json;
use crate::request::change::digest;
use crate::request::extract::{idempotency_key, json};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Covosign;
const KEYS: Paths = paths!("covosign", "/api/v1/api-keys");
const MADE: &str = "API key created successfully. Store it securely - it won't be shown again.";
const WRONG_NAME: &str = "Name must be between 1 and 200 characters";
const WRONG_ENVIRONMENT: &str = "Environment must be SANDBOX or PRODUCTION";
const WRONG_IPS: &str = "Allowed IPs must be addresses or CIDR networks";
const NOT_ENTERPRISE: &str = "Enterprise plan required for production API keys";

#[derive(OpenApi)]
#[openapi(paths(create))]
struct Api;

/// The dialect.
pub(super) static FACE: Face = Face {
    dialect: DIALECT,
    mount: mount!("covosign"),
    routes: || vec![DialectRoute::new(KEYS, post(create)).fast_post(fast_path!(create))],
    write_error,
    document: Api::openapi,
    about: "API keys for the sandbox and for production; a key makes keys of no higher kind.",
    proofs: &[Proof::Bearer, Proof::Header("X-API-Key")],
    rules: NativeRules { rotate, ..NativeRules::NONE },
};

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

/// A production key takes an enterprise plan, through the native API too.
fn rotate(_: &App, rights: Rights, key: &keys::NewKey, _: &mut Changes) -> Result<(), ApiError> {
    match key.environment {
        Environment::Sandbox => Ok(()),
        Environment::Live => rights.needs_plan(Plan::Enterprise, DIALECT),
    }
}

fn write_error(error: &ApiError, _: &str) -> (StatusCode, Vec<u8>) {
    let detail = error.detail.as_ref();
    let (status, message) = match ErrorClass::of(error.code) {
        ErrorClass::Caller => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        ErrorClass::UsedBefore => (StatusCode::CONFLICT, detail),
        ErrorClass::Overloaded => (StatusCode::TOO_MANY_REQUESTS, detail),
        ErrorClass::AgainstTheRules => (StatusCode::FORBIDDEN, detail),
        ErrorClass::Request
        | ErrorClass::KeyAsCaller
        | ErrorClass::NotAllowed
        | ErrorClass::Key
        | ErrorClass::Route
        | ErrorClass::Method
        | ErrorClass::TooManyKeys
        | ErrorClass::Other => (error.code.status(), detail),
    };
    (status, error_body(&Envelope::new(status, message, None::<()>)))
}

/// A key of this dialect in `X-API-Key` or as bearer, or a token as bearer.
fn authenticate(parts: &Parts, app: &App) -> Result<DialectCaller, ApiError> {
    // A token is no key: it has no business in that header.
    let key = || api_key(parts).map(|key| key.filter(|key| keys::looks_like_key(key)));
    let credential = match bearer(parts)? {
        Some(bearer) => bearer,
        None => key()?.ok_or_else(ApiError::no_token)?,
    };
    let client = DialectCaller::by_key_or_token(parts, app, DIALECT, credential)?;
    client.require(MANAGE)?;
    client.account()?;
    Ok(client)
}

/// A key that is wanted. What is no text is no name, and refused as such.
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
    unlisted: UnlistedFields,
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
    fn into_request(self) -> Result<NewKeyRequest, ApiError> {
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
        self.unlisted.bind(NewKeyRequest {
            name: Some(name),
            environment,
            allowed_ips,
            ..NewKeyRequest::default()
        })
    }
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/api-keys", operation_id = "createKey", request_body = Create,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key and request within 24 hours make one API key")),
    responses((status = 201, body = Envelope<Created>), (status = "4XX", body = Envelope<Option<String>>)))]
async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let client = authenticate(&parts, &app)?;
    let bytes = read_json(&parts.headers, body).await?;
    let key_request = json::<Create>(&bytes)?.into_request()?;
    if key_request.environment == Environment::Live && !may_make_live(&client) {
        return Err(ApiError::new(Code::Forbidden, NOT_ENTERPRISE));
    }
    let idempotency = idempotency_key(&parts.headers)?.map(|key| once(&client, key, &bytes));
    let options =
        RequestOptions { idempotency: idempotency.transpose()?, ..RequestOptions::default() };
    let made = app.ledger().create(&client.caller, key_request, options).await?;
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
fn may_make_live(client: &DialectCaller) -> bool {
    match &client.key {
        Some(key) => key.key.environment == Environment::Live,
        None => client.plan == Plan::Enterprise,
    }
}

/// Scoped to the caller, and to the very key it called with, whose means another may not have.
fn once(client: &DialectCaller, key: &str, body: &[u8]) -> Result<Idempotency, ApiError> {
    let account = client.account()?;
    let subject = client.caller.identity.subject.as_str();
    let by = client.key.as_ref().map_or_else(String::new, |key| key.key.id.to_string());
    let scope = ["covosign", account.as_str(), subject, &by, key].map(str::as_bytes);
    Ok(Idempotency { key: digest(&scope), request: digest(&[b"covosign", body]) })
}
