//! composable: secret keys with roles, and public keys that a secret key asks for.

mod object;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use keys::{Dialect, KeyId, KeyName, KeyRole, Kind, Project, Refusal, Revocation, Secret, Status};
use ledger::{Change, Error, Expiry, KeyView, NewKeyRequest, RequestOptions, Rules};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use self::object::{ApiKey, is_shown, only_enabled};
use super::beyond::Beyond;
use super::caller::{Who, bearer};
use super::{Paths, Served, Wrong, cumulative, list, path_text, paths, phrase, plain, with_secret};
use crate::app::App;
use crate::auth::MANAGE;
use crate::error::{ApiError, Code};
use crate::request::body::read_json;
use crate::request::extract::{field, json, parse, query};
use crate::wire;
use crate::wire::words::choices;

const DIALECT: Dialect = Dialect::Composable;
pub(super) const KEYS: Paths = paths!("composable", "/api/v1/apikeys");
const PUBLIC: Paths = paths!("composable", "/api/v1/apikeys/pk");
const KEY: Paths = paths!("composable", "/api/v1/apikeys/{id}");
/// Each holds those before it; the last holds everything.
pub(super) const ROLES: [&str; 5] = ["reader", "executor", "application", "developer", "admin"];
pub(super) const EXECUTOR: usize = 1;
const APPLICATION: usize = 2;
const DEVELOPER: usize = 3;
const ADMIN: usize = 4;
choices!(RoleWord, "What a key may do.", ROLES;);

const PUBLIC_NAME: &str = "Public API Key (generated)";
const DAY_S: u64 = 86_400;

#[derive(OpenApi)]
#[openapi(paths(list, create, public, one, change, revoke), components(schemas(Failure)))]
struct Api;

pub(super) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

pub(super) fn routes() -> Served {
    vec![
        (KEYS, get(list).post(create)),
        // It may make a key, which one who asks for the head alone does not want.
        (PUBLIC, get(public).head(public_head)),
        (KEY, get(one).put(change).delete(revoke)),
    ]
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    error: &'a str,
    status: u16,
    message: &'a str,
}

pub(super) fn error(error: &ApiError) -> (StatusCode, Vec<u8>) {
    let (status, message) = match Wrong::of(error.code) {
        Wrong::Key => (StatusCode::NOT_FOUND, "API key not found"),
        Wrong::UsedBefore => (StatusCode::CONFLICT, error.detail.as_ref()),
        Wrong::Request
        | Wrong::Caller
        | Wrong::KeyAsCaller
        | Wrong::NotAllowed
        | Wrong::Route
        | Wrong::Method
        | Wrong::TooManyKeys
        | Wrong::Overloaded
        | Wrong::Other => (error.code.status(), error.detail.as_ref()),
    };
    let failure = Failure { error: phrase(status), status: status.as_u16(), message };
    (status, super::body(&failure))
}

/// A secret key of this dialect or a token, after `Bearer`, with at least the role at `needed`.
fn who(parts: &Parts, app: &App, needed: usize) -> Result<Who, ApiError> {
    let credential = bearer(parts)?.ok_or_else(ApiError::no_token)?;
    let who = Who::by_key_or_token(parts, app, DIALECT, credential)?;
    who.account()?;
    let held = match &who.key {
        Some(key) if key.key.kind == Kind::Public => None,
        Some(key) => key.key.role.as_ref().and_then(|role| place(role.as_str())),
        None => of_token(&who, needed),
    };
    if held.is_some_and(|held| held >= needed) {
        Ok(who)
    } else {
        let detail = format!("the role {} is needed", ROLES.get(needed).unwrap_or(&"admin"));
        Err(ApiError::new(Code::Forbidden, detail))
    }
}

/// An admin counts as one, an owner as developer. An auditor may list, and that is all.
fn of_token(who: &Who, needed: usize) -> Option<usize> {
    use ledger::Role::{Admin, Auditor, Owner};
    let roles = who.caller.identity.roles;
    if roles.any(&[Admin]) {
        Some(ADMIN)
    } else if roles.any(&[Owner]) || (needed == DEVELOPER && roles.any(&[Auditor])) {
        Some(DEVELOPER)
    } else {
        None
    }
}

fn place(role: &str) -> Option<usize> {
    ROLES.iter().position(|known| *known == role)
}

/// Lists the account's keys.
#[utoipa::path(get, path = "/api/v1/apikeys", operation_id = "listKeys",
    responses((status = 200, body = Vec<ApiKey>), (status = "4XX", body = Failure)))]
async fn list(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let who = who(&parts, &app, DEVELOPER)?;
    let account = who.account()?;
    let listing = list::Listing { caller: who.caller, dialect: DIALECT, account };
    let show = |view: &KeyView, now| is_shown(view, now).then(|| ApiKey::new(view, None));
    list::stream(&app, listing, ("[", |_| "]".to_owned()), show).await
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
    beyond: Beyond,
}

impl Create {
    fn draft(self) -> Result<NewKeyRequest, ApiError> {
        let role = place(&self.role).ok_or_else(|| {
            ApiError::field("role", format!("must be one of: {}", ROLES.join(" ")))
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
        self.beyond.bind(draft(name, kind, role, project, expires)?)
    }
}

fn draft(
    name: KeyName,
    kind: Kind,
    place: usize,
    project: Option<Project>,
    expires: Option<Expiry>,
) -> Result<NewKeyRequest, ApiError> {
    let role = ROLES.get(place).map(|role| field("role", KeyRole::new(*role))).transpose()?;
    let permissions = cumulative(&ROLES, place)?;
    Ok(NewKeyRequest { name: Some(name), kind, role, permissions, project, expires, ..plain() })
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/apikeys", operation_id = "createKey", request_body = Create,
    responses((status = 201, body = ApiKey), (status = "4XX", body = Failure)))]
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let who = who(&parts, &app, ADMIN)?;
    let bytes = read_json(&parts.headers, body).await?;
    let draft = json::<Create>(&bytes)?.draft()?;
    let made = app.ledger().create(&who.caller, draft, RequestOptions::default()).await?;
    let value = made.secret.as_ref().map(|secret| Secret::reveal(secret).to_owned());
    Ok(with_secret(StatusCode::CREATED, &ApiKey::new(&made.key, value)))
}

/// Which public key is asked for.
#[derive(Deserialize)]
struct AskPublic {
    /// The key's label.
    name: Option<String>,
    /// The only project it is for.
    #[serde(rename = "projectId")]
    project_id: Option<String>,
    /// How many seconds it lives; a day if missing, at most 30 days.
    ttl: Option<String>,
    #[serde(flatten)]
    beyond: Beyond,
}

impl AskPublic {
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
    let (who, draft) = ask_public(&parts, &app)?;
    let view = match app.ledger().create(&who.caller, draft, RequestOptions::default()).await {
        Ok(made) => made.key,
        Err(Error::Refused(Refusal::Found(id))) => {
            app.ledger().key_of_dialect(&who.caller, DIALECT, id)?
        }
        Err(error) => return Err(error.into()),
    };
    let expire_at = view.state.expires_at.map(keys::Timestamp::to_millis_text);
    let value = view.key.public_value.as_deref();
    Ok(with_secret(StatusCode::OK, &Public { expire_at, value }))
}

/// The same for those who ask for the head alone: it says that they may, and makes no key.
async fn public_head(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    ask_public(&parts, &app)?;
    Ok(with_secret(StatusCode::OK, &Public { expire_at: None, value: None }))
}

fn ask_public(parts: &Parts, app: &App) -> Result<(Who, NewKeyRequest), ApiError> {
    let who = who(parts, app, APPLICATION)?;
    who.require(MANAGE)?;
    let asked: AskPublic = query(parts.uri.query())?;
    let ttl = asked.ttl()?;
    let said = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
    let name = said(&asked.name).unwrap_or_else(|| PUBLIC_NAME.to_owned());
    let name = field("name", name.parse())?;
    let project = parse("projectId", said(&asked.project_id).as_deref())?;
    let expires = Some(Expiry::After(ttl));
    let rules = Rules { reuse_if_ttl_ms: Some((ttl * 500).min(300_000)), ..Rules::default() };
    let draft = asked.beyond.bind(draft(name, Kind::Public, EXECUTOR, project, expires)?)?;
    Ok((who, NewKeyRequest { rules, ..draft }))
}

/// The key that the path names, if this dialect shows it.
async fn named(parts: &mut Parts, app: &App, who: &Who) -> Result<(KeyId, KeyView), ApiError> {
    let unknown = || ApiError::from(Refusal::UnknownKey);
    let id = path_text(parts, app).await.parse().map_err(|_| unknown())?;
    let view = app.ledger().key_of_dialect(&who.caller, DIALECT, id)?;
    if is_shown(&view, who.now) { Ok((id, view)) } else { Err(unknown()) }
}

/// Shows a key.
#[utoipa::path(get, path = "/api/v1/apikeys/{id}", operation_id = "getKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKey), (status = "4XX", body = Failure)))]
async fn one(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let who = who(&parts, &app, DEVELOPER)?;
    let (_, view) = named(&mut parts, &app, &who).await?;
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
    let who = who(&parts, &app, ADMIN)?;
    let bytes = read_json(&parts.headers, body).await?;
    let (id, view) = named(&mut parts, &app, &who).await?;
    let enabled = only_enabled(&json(&bytes)?, &view)?;
    let (change, wanted) = if enabled {
        (Change::Enable, Status::Enabled)
    } else {
        (Change::Disable, Status::Disabled)
    };
    let ask = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let view = match app.ledger().change(&who.caller, id, change, ask).await {
        Ok(changed) => changed.key,
        Err(Error::Refused(Refusal::Already(status))) if status == wanted => {
            app.ledger().key_of_dialect(&who.caller, DIALECT, id)?
        }
        // An expired key is off, and stays so.
        Err(Error::Refused(Refusal::NotWhile(Status::Expired))) if !enabled => {
            app.ledger().key_of_dialect(&who.caller, DIALECT, id)?
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
    let who = who(&parts, &app, ADMIN)?;
    let (id, _) = named(&mut parts, &app, &who).await?;
    let ask = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    let change = Change::Revoke(Revocation::default());
    app.ledger().change(&who.caller, id, change, ask).await?;
    Ok(wire::bare_json(StatusCode::OK, &Revoked { acknowledged: true, deleted_count: 1 }))
}
