//! composable: secret keys with roles, and public keys that a secret key asks for.

mod object;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use keys::{
    Dialect, KeyId, KeyName, Kind, Policy, Project, Refusal, Reuse, Revocation, Secret, Status,
};
use ledger::{Change, Error, Expiry, KeyView, MANAGE, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use self::object::{ApiKey, is_shown, only_enabled};
use super::answer::{error_body, phrase, with_secret};
use super::caller::{DialectCaller, bearer};
use super::error_class::ErrorClass;
use super::face::{DialectRoute, Face, NativeRules, Paths, Proof, fast_path, mount, paths};
use super::key_list;
use super::request::path_text;
use super::rights::Rights;
use super::role_table::{Granted, RoleTable};
use super::unlisted_fields::UnlistedFields;
use crate::app::App;
use crate::error::{ApiError, Code};
use crate::request::body::read_json;
use crate::request::extract::{field, json, parse, query};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Composable;
const KEYS: Paths = paths!("composable", "/api/v1/apikeys");
const PUBLIC: Paths = paths!("composable", "/api/v1/apikeys/pk");
const KEY: Paths = paths!("composable", "/api/v1/apikeys/{id}");
/// Each holds those before it; the last holds everything.
const ROLES: RoleTable = RoleTable(&["reader", "executor", "application", "developer", "admin"]);
// Their places.
const EXECUTOR: usize = 1;
const APPLICATION: usize = 2;
const DEVELOPER: usize = 3;
const ADMIN: usize = 4;
choices!(RoleWord, "What a key may do.", ROLES.0.iter().copied(););

const PUBLIC_NAME: &str = "Public API Key (generated)";
const DAY_S: u64 = 86_400;

#[derive(OpenApi)]
#[openapi(paths(list, create, public, one, change, revoke), components(schemas(Failure)))]
struct Api;

/// The dialect.
pub(super) static FACE: Face = Face {
    dialect: DIALECT,
    mount: mount!("composable"),
    routes: || {
        vec![
            DialectRoute::new(KEYS, get(list).post(create)).fast_post(fast_path!(create)),
            // It may make a key, which a request for the head alone does not want.
            DialectRoute::new(PUBLIC, get(public).head(public_head)),
            DialectRoute::new(KEY, get(one).put(change).delete(revoke)),
        ]
    },
    write_error,
    document: Api::openapi,
    about: "API keys with roles: secret ones, and public ones that a secret key asks for.",
    proofs: &[Proof::Bearer],
    rules: NativeRules { enable: |rights| rights.needs_admin(DIALECT), rotate },
};

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    error: &'a str,
    status: u16,
    message: &'a str,
}

/// Keys take an admin and have one of the roles, through the native API too: an owner counts as
/// developer, and those make no keys.
fn rotate(
    _: &App,
    rights: Rights,
    key: &keys::NewKey,
    changes: &mut ledger::Changes,
) -> Result<(), ApiError> {
    rights.needs_admin(DIALECT)?;
    ROLES.bind(changes, if key.kind == Kind::Public { EXECUTOR } else { ADMIN })
}

fn write_error(error: &ApiError, _: &str) -> (StatusCode, Vec<u8>) {
    let (status, message) = match ErrorClass::of(error.code) {
        ErrorClass::Key => (StatusCode::NOT_FOUND, "API key not found"),
        ErrorClass::UsedBefore => (StatusCode::CONFLICT, error.detail.as_ref()),
        ErrorClass::AgainstTheRules => (StatusCode::FORBIDDEN, error.detail.as_ref()),
        ErrorClass::Request
        | ErrorClass::Caller
        | ErrorClass::KeyAsCaller
        | ErrorClass::NotAllowed
        | ErrorClass::Route
        | ErrorClass::Method
        | ErrorClass::TooManyKeys
        | ErrorClass::Overloaded
        | ErrorClass::Other => (error.code.status(), error.detail.as_ref()),
    };
    let failure = Failure { error: phrase(status), status: status.as_u16(), message };
    (status, error_body(&failure))
}

/// A secret key of this dialect or a token, after `Bearer`, with at least the role at `needed`.
fn authenticate(parts: &Parts, app: &App, needed: usize) -> Result<DialectCaller, ApiError> {
    let credential = bearer(parts)?.ok_or_else(ApiError::no_token)?;
    let client = DialectCaller::by_key_or_token(parts, app, DIALECT, credential)?;
    client.account()?;
    let held = match &client.key {
        Some(key) if key.key.kind == Kind::Public => None,
        Some(key) => key.key.role.as_ref().and_then(|role| ROLES.place(role.as_str())),
        None => of_token(&client, needed),
    };
    if held.is_some_and(|held| held >= needed) {
        Ok(client)
    } else {
        let detail = format!("the role {} is needed", ROLES.grant(needed).role);
        Err(ApiError::new(Code::Forbidden, detail))
    }
}

/// An admin counts as one, an owner as developer, a user as developer of its own keys. An auditor
/// may list, and that is all.
fn of_token(client: &DialectCaller, needed: usize) -> Option<usize> {
    use ledger::Role::{Admin, Auditor, Owner, User};
    let roles = client.caller.identity.roles;
    if roles.any(&[Admin]) {
        Some(ADMIN)
    } else if roles.any(&[Owner, User]) || (needed == DEVELOPER && roles.any(&[Auditor])) {
        Some(DEVELOPER)
    } else {
        None
    }
}

/// Lists the account's keys.
#[utoipa::path(get, path = "/api/v1/apikeys", operation_id = "listKeys",
    responses((status = 200, body = Vec<ApiKey>), (status = "4XX", body = Failure)))]
async fn list(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let client = authenticate(&parts, &app, DEVELOPER)?;
    let account = client.account()?;
    let listing = key_list::Listing { caller: client.caller, dialect: DIALECT, account };
    let show = |view: &KeyView, now| is_shown(view, now).then(|| ApiKey::new(view, None));
    key_list::stream(&app, listing, ("[", |_| "]".to_owned()), show).await
}

#[derive(Deserialize, ToSchema)]
struct Create {
    /// A label: 1 to 200 characters.
    name: String,
    /// Each role may do what those before it may.
    #[schema(value_type = RoleWord)]
    role: String,
    /// `sk` by default.
    #[schema(value_type = Option<object::KeyType>)]
    r#type: Option<String>,
    /// The only project it is for.
    project: Option<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unlisted: UnlistedFields,
}

impl Create {
    fn into_request(self) -> Result<NewKeyRequest, ApiError> {
        let role = ROLES.place(&self.role).ok_or_else(|| {
            ApiError::field("role", format_args!("must be one of: {}", ROLES.words()))
        })?;
        let kind = match self.r#type.as_deref() {
            None | Some("sk") => Kind::Secret,
            Some("pk") => Kind::Public,
            Some(_) => return Err(ApiError::field("type", "must be one of: sk pk")),
        };
        if kind == Kind::Public && role > EXECUTOR {
            return Err(ApiError::field("role", "must be reader or executor for a public key"));
        }
        let expires = parse("expires_at", self.expires_at.as_deref())?.map(Expiry::At);
        let project = parse("project", self.project.as_deref())?;
        let name = field("name", self.name.parse())?;
        self.unlisted.bind(key_request(name, kind, role, project, expires))
    }
}

fn key_request(
    name: KeyName,
    kind: Kind,
    role: usize,
    project: Option<Project>,
    expires: Option<Expiry>,
) -> NewKeyRequest {
    let Granted { role, permissions } = ROLES.grant(role);
    let (name, role) = (Some(name), Some(role));
    NewKeyRequest { name, kind, role, permissions, project, expires, ..NewKeyRequest::default() }
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/apikeys", operation_id = "createKey", request_body = Create,
    responses((status = 201, body = ApiKey), (status = "4XX", body = Failure)))]
async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let client = authenticate(&parts, &app, ADMIN)?;
    let bytes = read_json(&parts.headers, body).await?;
    let key_request = json::<Create>(&bytes)?.into_request()?;
    let made = app.ledger().create(&client.caller, key_request, RequestOptions::default()).await?;
    let value = made.secret.as_ref().map(|secret| Secret::reveal(secret).to_owned());
    Ok(with_secret(StatusCode::CREATED, &ApiKey::new(&made.key, value)))
}

/// Which public key is asked for.
#[derive(Deserialize)]
struct PublicParameters {
    /// The key's label.
    name: Option<String>,
    /// The only project it is for.
    #[serde(rename = "projectId")]
    project_id: Option<String>,
    /// How many seconds it lives; a day if missing, at most 30 days.
    ttl: Option<String>,
    #[serde(flatten)]
    unlisted: UnlistedFields,
}

impl PublicParameters {
    fn ttl(&self) -> Result<u64, ApiError> {
        let most = 30 * DAY_S;
        match self.ttl.as_deref() {
            None | Some("") => Ok(DAY_S),
            Some(text) if !text.bytes().all(|b| b.is_ascii_digit()) => {
                Err(ApiError::field("ttl", "must be a number of seconds"))
            }
            // What does not fit is more than 30 days too.
            Some(text) => match text.parse().unwrap_or(most).min(most) {
                0 => Err(ApiError::field("ttl", "must be at least 1")),
                ttl => Ok(ttl),
            },
        }
    }
}

/// A public key.
#[derive(Serialize, ToSchema)]
struct Public<'a> {
    #[schema(required)]
    expire_at: Option<String>,
    #[schema(required)]
    value: Option<&'a str>,
}

/// Finds or makes a public key.
#[utoipa::path(get, path = "/api/v1/apikeys/pk", operation_id = "publicKey",
    params(("name" = Option<String>, Query, description = "The key's label"),
        ("projectId" = Option<String>, Query, description = "The only project it is for"),
        ("ttl" = Option<u64>, Query, description = "Seconds it lives: a day if missing, at most 30 days")),
    responses((status = 200, body = Public), (status = "4XX", body = Failure)))]
async fn public(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let (client, key_request) = public_request(&parts, &app)?;
    let view =
        match app.ledger().create(&client.caller, key_request, RequestOptions::default()).await {
            Ok(made) => made.key,
            Err(Error::Refused(Refusal::Found(id))) => {
                app.ledger().key_of_dialect(&client.caller, DIALECT, id)?
            }
            Err(error) => return Err(error.into()),
        };
    let expire_at = view.state.expires_at.map(keys::Timestamp::to_millis_text);
    let value = view.key.public_value.as_deref();
    Ok(with_secret(StatusCode::OK, &Public { expire_at, value }))
}

/// The same for the head alone: the answer says that the caller may, and no key is made.
async fn public_head(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    public_request(&parts, &app)?;
    Ok(with_secret(StatusCode::OK, &Public { expire_at: None, value: None }))
}

fn public_request(parts: &Parts, app: &App) -> Result<(DialectCaller, NewKeyRequest), ApiError> {
    let client = authenticate(parts, app, APPLICATION)?;
    client.require(MANAGE)?;
    let parameters: PublicParameters = query(parts.uri.query())?;
    let ttl = parameters.ttl()?;
    let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
    let name = given(&parameters.name).unwrap_or_else(|| PUBLIC_NAME.to_owned());
    let name = field("name", name.parse())?;
    let project = parse("projectId", given(&parameters.project_id).as_deref())?;
    let expires = Some(Expiry::After(ttl));
    let reuse = Some(Reuse { least_ttl_ms: (ttl * 500).min(300_000), own: false });
    let policy = Policy { reuse, ..Policy::default() };
    let request =
        parameters.unlisted.bind(key_request(name, Kind::Public, EXECUTOR, project, expires))?;
    Ok((client, NewKeyRequest { policy, ..request }))
}

/// The key that the path names, if this dialect shows it.
async fn named(
    parts: &mut Parts,
    app: &App,
    client: &DialectCaller,
) -> Result<(KeyId, KeyView), ApiError> {
    let unknown = || ApiError::from(Refusal::UnknownKey);
    let id = path_text(parts, app).await.parse().map_err(|_| unknown())?;
    let view = app.ledger().key_of_dialect(&client.caller, DIALECT, id)?;
    if is_shown(&view, client.now) { Ok((id, view)) } else { Err(unknown()) }
}

/// Shows a key.
#[utoipa::path(get, path = "/api/v1/apikeys/{id}", operation_id = "getKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKey), (status = "4XX", body = Failure)))]
async fn one(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let client = authenticate(&parts, &app, DEVELOPER)?;
    let (_, view) = named(&mut parts, &app, &client).await?;
    Ok(wire::bare_json(StatusCode::OK, &ApiKey::new(&view, None)))
}

/// What can be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the body is compared with the key field by field; this describes it")]
struct Changes {
    /// Whether the key can be used.
    enabled: bool,
}

/// Switches a key on or off.
#[utoipa::path(put, path = "/api/v1/apikeys/{id}", operation_id = "changeKey", request_body = Changes,
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKey), (status = "4XX", body = Failure)))]
async fn change(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let client = authenticate(&parts, &app, ADMIN)?;
    let bytes = read_json(&parts.headers, body).await?;
    let (id, view) = named(&mut parts, &app, &client).await?;
    let enabled = only_enabled(&json(&bytes)?, &view)?;
    let (change, wanted) = if enabled {
        (Change::Enable, Status::Enabled)
    } else {
        (Change::Disable, Status::Disabled)
    };
    let options = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let view = match app.ledger().change(&client.caller, id, change, options).await {
        Ok(changed) => changed.key,
        Err(Error::Refused(Refusal::Already(status))) if status == wanted => {
            app.ledger().key_of_dialect(&client.caller, DIALECT, id)?
        }
        // An expired key is off, and stays so.
        Err(Error::Refused(Refusal::NotWhile(Status::Expired))) if !enabled => {
            app.ledger().key_of_dialect(&client.caller, DIALECT, id)?
        }
        Err(Error::Refused(Refusal::NotWhile(Status::Expired))) => {
            return Err(ApiError::field("enabled", "must be false for an expired key"));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(wire::bare_json(StatusCode::OK, &ApiKey::new(&view, None)))
}

/// What revoking a key answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    acknowledged: bool,
    deleted_count: u32,
}

/// Revokes a key.
#[utoipa::path(delete, path = "/api/v1/apikeys/{id}", operation_id = "revokeKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Revoked), (status = "4XX", body = Failure)))]
async fn revoke(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let client = authenticate(&parts, &app, ADMIN)?;
    let (id, _) = named(&mut parts, &app, &client).await?;
    let options = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let change = Change::Revoke(Revocation::default());
    app.ledger().change(&client.caller, id, change, options).await?;
    Ok(wire::bare_json(StatusCode::OK, &Revoked { acknowledged: true, deleted_count: 1 }))
}
