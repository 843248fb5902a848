//! capgo: keys with one of four modes, numbered within their organisation, and managed by keys
//! that have all of them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{delete, get, post};
use keys::{Account, Dialect, KeyId, KeyName, KeyRole, Refusal, Revocation, Secret};
use ledger::{Change, KeyView, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::beyond::Beyond;
use super::caller::{Who, authorization};
use super::{Paths, Served, Wrong, cumulative, list, path_text, paths, plain, with_secret};
use crate::app::App;
use crate::auth::MANAGE;
use crate::error::{ApiError, Code, InvalidKind};
use crate::request::body::read_json;
use crate::request::extract::{field, json, number, query};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Capgo;
pub(super) const KEYS: Paths = paths!("capgo", "/apikey");
const KEY: Paths = paths!("capgo", "/apikey/{key}");
/// Each holds those before it; the last holds everything.
pub(super) const MODES: [&str; 4] = ["read", "write", "upload", "all"];
choices!(Mode, "What a key may do: each what those before it may.", MODES;);

const INVALID_MODE: &str = "Invalid mode specified. Must be one of: read, write, upload, all";
const NOT_ALLOWED: &str = "Insufficient permissions to manage API keys";

#[derive(OpenApi)]
#[openapi(paths(create, list, revoke), components(schemas(Failure)))]
struct Api;

pub(super) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

pub(super) fn routes() -> Served {
    vec![(KEYS, get(list).merge(post(create))), (KEY, delete(revoke))]
}

choices!(Ko, "Always the same.", ["KO"];);

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    error: &'a str,
    #[schema(value_type = Ko)]
    status: &'static str,
}

pub(super) fn error(error: &ApiError) -> (StatusCode, Vec<u8>) {
    let status = error.code.status();
    let (status, said) = match Wrong::of(error.code) {
        Wrong::NotAllowed | Wrong::KeyAsCaller => (status, NOT_ALLOWED),
        Wrong::Key => (StatusCode::NOT_FOUND, "API key not found"),
        Wrong::UsedBefore => (StatusCode::CONFLICT, error.detail.as_ref()),
        Wrong::Request
        | Wrong::Caller
        | Wrong::Route
        | Wrong::Method
        | Wrong::TooManyKeys
        | Wrong::Overloaded
        | Wrong::Other => (status, error.detail.as_ref()),
    };
    (status, super::body(&Failure { error: said, status: "KO" }))
}

/// A key of this dialect in `authorization`, bare or after `Bearer`, or a token there.
fn who(parts: &Parts, app: &App) -> Result<Who, ApiError> {
    let credential = authorization(parts)?.filter(|text| !text.is_empty());
    let missing = || ApiError::bad_token("send an API key as authorization");
    Who::by_key_or_token(parts, app, DIALECT, credential.ok_or_else(missing)?)
}

/// The same, if it may make and revoke keys: a key only with mode `all`.
fn manager(parts: &Parts, app: &App) -> Result<Who, ApiError> {
    let who = who(parts, app)?;
    who.require(MANAGE)?;
    match &who.key {
        Some(key) if key.key.role.as_ref().is_none_or(|mode| mode.as_str() != "all") => {
            Err(ApiError::new(Code::Forbidden, NOT_ALLOWED))
        }
        Some(_) | None => Ok(who),
    }
}

/// What a new key is to be; in the body, or else in the query.
#[derive(Default, Deserialize, ToSchema)]
struct Create {
    /// The organisation.
    org_id: Option<String>,
    /// Required, here or in the query. What is no text is no mode, and is told so.
    #[schema(value_type = Option<Mode>)]
    mode: Option<serde_json::Value>,
    /// A label; `New API Key` if missing.
    name: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    beyond: Beyond,
}

impl Create {
    /// A key is one organisation's: to be limited to that is what it is anyway.
    fn bind(mut self, draft: NewKeyRequest) -> Result<NewKeyRequest, ApiError> {
        const LIMITED: &str = "limited_to_orgs";
        let own = draft.account.as_ref().map(Account::as_str);
        if let Some(orgs) = self.beyond.take(LIMITED) {
            let mut orgs = orgs.as_array().map(Vec::as_slice).unwrap_or_default().iter();
            if !orgs.all(|org| org.as_str() == own) {
                return Err(ApiError::field(LIMITED, "must be the org_id alone"));
            }
        }
        self.beyond.bind(draft)
    }
}

/// A key.
#[derive(Serialize, ToSchema)]
struct ApiKey {
    id: u64,
    /// The whole key in the answer that makes it; masked elsewhere.
    #[schema(required)]
    key: Option<String>,
    #[schema(value_type = Mode)]
    mode: String,
    name: String,
    created_at: String,
    /// Missing in the answer that makes the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    user_id: String,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl ApiKey {
    fn new(view: &KeyView, key: Option<String>, updated_at: Option<String>) -> ApiKey {
        ApiKey {
            id: view.key.number,
            key,
            mode: view.key.role.as_ref().map(ToString::to_string).unwrap_or_default(),
            name: view.key.name.to_string(),
            created_at: view.created_at.to_seconds_text(),
            updated_at,
            user_id: view.key.owner.to_string(),
            expires_at: view.state.expires_at.map(keys::Timestamp::to_seconds_text),
        }
    }
}

/// What making a key answers.
#[derive(Serialize, ToSchema)]
struct Created {
    apikey: ApiKey,
}

/// Makes a key.
#[utoipa::path(post, path = "/apikey/", operation_id = "createKey", request_body = Create,
    params(("org_id" = Option<String>, Query, description = "The organisation, if not in the body"),
        ("mode" = Option<Mode>, Query, description = "The mode, if not in the body")),
    responses((status = 200, body = Created), (status = "4XX", body = Failure)))]
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let who = manager(&parts, &app)?;
    let bytes = read_json(&parts.headers, body).await?;
    let said: Create = if bytes.is_empty() { Create::default() } else { json(&bytes)? };
    let asked: Create = query(parts.uri.query())?;
    let mode = said.mode.clone().or_else(|| asked.mode.clone());
    let mode = mode
        .as_ref()
        .and_then(|mode| mode.as_str())
        .and_then(|mode| MODES.iter().position(|known| *known == mode));
    let mode = mode.ok_or_else(|| ApiError::field_in_words("mode", INVALID_MODE))?;
    let account = said.org_id.clone().or_else(|| asked.org_id.clone());
    let account = account.ok_or_else(|| ApiError::field("org_id", InvalidKind::Missing))?;
    let account: Account = field("org_id", account.parse())?;
    let name = said
        .name
        .clone()
        .or_else(|| asked.name.clone())
        .unwrap_or_else(|| "New API Key".to_owned());
    let name: KeyName = field("name", name.parse())?;
    let role = MODES.get(mode).map(|mode| field("mode", KeyRole::new(*mode))).transpose()?;
    let permissions = cumulative(&MODES, mode)?;
    let draft =
        NewKeyRequest { account: Some(account), name: Some(name), role, permissions, ..plain() };
    let draft = asked.bind(said.bind(draft)?)?;
    let created = app.ledger().create(&who.caller, draft, RequestOptions::default()).await?;
    let key = created.secret.as_ref().map(|secret| Secret::reveal(secret).to_owned());
    let apikey = ApiKey::new(&created.key, key, None);
    Ok(with_secret(StatusCode::OK, &Created { apikey }))
}

/// Which organisation's keys; only a token of all organisations has to say.
#[derive(Deserialize)]
struct Which {
    org_id: Option<String>,
}

impl Which {
    fn account(parts: &Parts, who: &Who) -> Result<Account, ApiError> {
        let Which { org_id } = query(parts.uri.query())?;
        match org_id {
            None => who.account(),
            Some(asked) => {
                let asked: Account = field("org_id", asked.parse())?;
                let seen = who.caller.identity.scope.covers(&asked);
                if seen { Ok(asked) } else { Err(ApiError::new(Code::Forbidden, NOT_ALLOWED)) }
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
/// Written as it is read, and so only described here.
struct List {
    data: Vec<ApiKey>,
}

/// Lists the organisation's keys.
#[utoipa::path(get, path = "/apikey/", operation_id = "listKeys",
    params(("org_id" = Option<String>, Query, description = "The organisation")),
    responses((status = 200, body = List), (status = "4XX", body = Failure)))]
async fn list(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let who = who(&parts, &app)?;
    let account = Which::account(&parts, &who)?;
    let listing = list::Listing { caller: who.caller, dialect: DIALECT, account };
    let show = |view: &KeyView, _| {
        let masked = Some(format!("{}...", view.key.prefix.as_str()));
        let updated_at = Some(view.state.updated_at.to_seconds_text());
        view.status.is_alive().then(|| ApiKey::new(view, masked, updated_at))
    };
    list::stream(&app, listing, ("{\"data\":[", |_| "]}".to_owned()), show).await
}

/// What revoking a key answers.
#[derive(Serialize, ToSchema)]
struct Revoked {
    success: bool,
}

/// Revokes a key, named by its text or its id.
#[utoipa::path(delete, path = "/apikey/{key}/", operation_id = "revokeKey",
    params(("key" = String, Path, description = "The key, or its id")),
    responses((status = 200, body = Revoked), (status = "4XX", body = Failure)))]
async fn revoke(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let who = manager(&parts, &app)?;
    let named = path_text(&mut parts, &app).await;
    let id: Option<KeyId> = match number(&named) {
        Some(number) => app.ledger().id_by_number(&Which::account(&parts, &who)?, number),
        None => app.ledger().id_by_text(&who.caller, DIALECT, &named),
    };
    let id = id.ok_or(Refusal::UnknownKey)?;
    let ask = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let change = Change::Revoke(Revocation::default());
    app.ledger().change(&who.caller, id, change, ask).await?;
    Ok(wire::bare_json(StatusCode::OK, &Revoked { success: true }))
}
