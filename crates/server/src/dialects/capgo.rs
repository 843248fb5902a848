//! capgo: keys with one of four modes, numbered within their organisation, and managed by keys
//! that have all of them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{delete, get, post};
use keys::{Account, Dialect, KeyId, KeyName, Refusal, Revocation, Secret};
use ledger::{Change, Changes, KeyView, MANAGE, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::answer::{error_body, with_secret};
use super::caller::{DialectCaller, authorization};
use super::error_class::ErrorClass;
use super::face::{DialectRoute, Face, NativeRules, Paths, Proof, fast_path, mount, paths};
use super::key_list;
use super::request::path_text;
use super::rights::Rights;
use super::role_table::{Granted, RoleTable};
use super::unlisted_fields::UnlistedFields;
use crate::app::App;
use crate::error::{ApiError, Code, InvalidKind};
use crate::request::body::read_json;
use crate::request::extract::{field, json, number, query};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Capgo;
const KEYS: Paths = paths!("capgo", "/apikey");
const KEY: Paths = paths!("capgo", "/apikey/{key}");
/// Each holds those before it; the last holds everything.
const MODES: RoleTable = RoleTable(&["read", "write", "upload", "all"]);
/// The place of the mode that manages keys.
const ALL: usize = 3;
choices!(Mode, "What a key may do: each what those before it may.", MODES.0.iter().copied(););

const INVALID_MODE: &str = "Invalid mode specified. Must be one of: read, write, upload, all";
const NOT_ALLOWED: &str = "Insufficient permissions to manage API keys";

#[derive(OpenApi)]
#[openapi(paths(create, list, revoke), components(schemas(Failure)))]
struct Api;

/// The dialect.
pub(super) static FACE: Face = Face {
    dialect: DIALECT,
    mount: mount!("capgo"),
    routes: || {
        vec![
            DialectRoute::new(KEYS, get(list).merge(post(create))).fast_post(fast_path!(create)),
            DialectRoute::new(KEY, delete(revoke)),
        ]
    },
    write_error,
    document: Api::openapi,
    about: "API keys of an organisation with one of four modes; a key of mode all manages them.",
    proofs: &[Proof::Header("authorization")],
    rules: NativeRules { enable: |rights| rights.needs_owner(DIALECT), rotate },
};

choices!(Ko, "Always the same.", ["KO"];);

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    error: &'a str,
    #[schema(value_type = Ko)]
    status: &'static str,
}

/// A key has one of the modes, through the native API too. Whatever its mode, it lists the keys of the
/// whole organisation: a user, who sees only its own, gets none.
fn rotate(
    _: &App,
    rights: Rights,
    _: &keys::NewKey,
    changes: &mut Changes,
) -> Result<(), ApiError> {
    rights.needs_owner(DIALECT)?;
    MODES.bind(changes, ALL)
}

fn write_error(error: &ApiError, _: &str) -> (StatusCode, Vec<u8>) {
    let status = error.code.status();
    let (status, message) = match ErrorClass::of(error.code) {
        ErrorClass::NotAllowed | ErrorClass::KeyAsCaller => (status, NOT_ALLOWED),
        ErrorClass::Key => (StatusCode::NOT_FOUND, "API key not found"),
        ErrorClass::UsedBefore => (StatusCode::CONFLICT, error.detail.as_ref()),
        ErrorClass::AgainstTheRules => (StatusCode::FORBIDDEN, error.detail.as_ref()),
        ErrorClass::Request
        | ErrorClass::Caller
        | ErrorClass::Route
        | ErrorClass::Method
        | ErrorClass::TooManyKeys
        | ErrorClass::Overloaded
        | ErrorClass::Other => (status, error.detail.as_ref()),
    };
    (status, error_body(&Failure { error: message, status: "KO" }))
}

/// A key of this dialect in `authorization`, bare or after `Bearer`, or a token there.
fn authenticate(parts: &Parts, app: &App) -> Result<DialectCaller, ApiError> {
    let credential = authorization(parts)?.filter(|text| !text.is_empty());
    let missing = || ApiError::bad_token("send an API key as authorization");
    DialectCaller::by_key_or_token(parts, app, DIALECT, credential.ok_or_else(missing)?)
}

/// The same, if it may make and revoke keys: a key only with mode `all`.
fn manager(parts: &Parts, app: &App) -> Result<DialectCaller, ApiError> {
    let client = authenticate(parts, app)?;
    client.require(MANAGE)?;
    match &client.key {
        Some(key) if key.key.role.as_ref().is_none_or(|mode| mode.as_str() != "all") => {
            Err(ApiError::new(Code::Forbidden, NOT_ALLOWED))
        }
        Some(_) | None => Ok(client),
    }
}

/// What a new key is to be; in the body, or else in the query.
#[derive(Default, Deserialize, ToSchema)]
struct Create {
    /// The organisation.
    org_id: Option<String>,
    /// Required, here or in the query. What is no text is no mode, and refused as such.
    #[schema(value_type = Option<Mode>)]
    mode: Option<serde_json::Value>,
    /// A label; `New API Key` if missing.
    name: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unlisted: UnlistedFields,
}

impl Create {
    /// A key is one organisation's: to be limited to that is what it is anyway.
    fn bind(mut self, request: NewKeyRequest) -> Result<NewKeyRequest, ApiError> {
        const LIMITED: &str = "limited_to_orgs";
        let own = request.account.as_ref().map(Account::as_str);
        if let Some(orgs) = self.unlisted.take(LIMITED) {
            let mut orgs = orgs.as_array().map(Vec::as_slice).unwrap_or_default().iter();
            if !orgs.all(|org| org.as_str() == own) {
                return Err(ApiError::field(LIMITED, "must be the org_id alone"));
            }
        }
        self.unlisted.bind(request)
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
async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let client = manager(&parts, &app)?;
    Rights { roles: client.caller.identity.roles, plan: client.plan }.needs_owner(DIALECT)?;
    let bytes = read_json(&parts.headers, body).await?;
    let body: Create = if bytes.is_empty() { Create::default() } else { json(&bytes)? };
    let query: Create = query(parts.uri.query())?;
    let mode = body.mode.clone().or_else(|| query.mode.clone());
    let mode = mode.as_ref().and_then(|mode| mode.as_str()).and_then(|mode| MODES.place(mode));
    let mode = mode.ok_or_else(|| ApiError::field_in_words("mode", INVALID_MODE))?;
    let account = body.org_id.clone().or_else(|| query.org_id.clone());
    let account = account.ok_or_else(|| ApiError::field("org_id", InvalidKind::Missing))?;
    let account: Account = field("org_id", account.parse())?;
    let name = body
        .name
        .clone()
        .or_else(|| query.name.clone())
        .unwrap_or_else(|| "New API Key".to_owned());
    let name: KeyName = field("name", name.parse())?;
    let Granted { role, permissions } = MODES.grant(mode);
    let request = NewKeyRequest {
        account: Some(account),
        name: Some(name),
        role: Some(role),
        permissions,
        ..NewKeyRequest::default()
    };
    let request = query.bind(body.bind(request)?)?;
    let created = app.ledger().create(&client.caller, request, RequestOptions::default()).await?;
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
    fn account(parts: &Parts, client: &DialectCaller) -> Result<Account, ApiError> {
        let Which { org_id } = query(parts.uri.query())?;
        match org_id {
            None => client.account(),
            Some(org_id) => {
                let account: Account = field("org_id", org_id.parse())?;
                let seen = client.caller.identity.scope.covers(&account);
                if seen { Ok(account) } else { Err(ApiError::new(Code::Forbidden, NOT_ALLOWED)) }
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
    let client = authenticate(&parts, &app)?;
    let account = Which::account(&parts, &client)?;
    let listing = key_list::Listing { caller: client.caller, dialect: DIALECT, account };
    let show = |view: &KeyView, _| {
        let masked = Some(format!("{}...", view.key.prefix.as_str()));
        let updated_at = Some(view.state.updated_at.to_seconds_text());
        view.status.is_alive().then(|| ApiKey::new(view, masked, updated_at))
    };
    key_list::stream(&app, listing, ("{\"data\":[", |_| "]}".to_owned()), show).await
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
    let client = manager(&parts, &app)?;
    let named = path_text(&mut parts, &app).await;
    let id: Option<KeyId> = match number(&named) {
        Some(number) => {
            let account = Which::account(&parts, &client)?;
            app.ledger().id_by_number(&client.caller, &account, number)
        }
        None => app.ledger().id_by_text(&client.caller, DIALECT, &named),
    };
    let id = id.ok_or(Refusal::UnknownKey)?;
    let options = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let change = Change::Revoke(Revocation::default());
    app.ledger().change(&client.caller, id, change, options).await?;
    Ok(wire::bare_json(StatusCode::OK, &Revoked { success: true }))
}
