//! callcov: at most ten active keys a user, which that user ends early instead of deleting.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use keys::{Description, Dialect, KeyName, Policy, Refusal, Secret, Status, Timestamp};
use ledger::{Change, KeyView, MANAGE, NewKeyRequest, RequestOptions};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::answer::{ended_at, error_body, phrase, with_secret};
use super::caller::DialectCaller;
use super::error_class::ErrorClass;
use super::face::{DialectRoute, Face, NativeRules, Paths, Proof, fast_path, mount, paths};
use super::key_list;
use super::request::path_text;
use super::unlisted_fields::UnlistedFields;
use crate::app::App;
use crate::error::{ApiError, Code, Invalid, InvalidKind, Type};
use crate::request::body::read_json;
use crate::request::extract::{field, json, query};
use crate::wire;

const DIALECT: Dialect = Dialect::Callcov;
const KEYS: Paths = paths!("callcov", "/api/v1/api-keys");
const KEY: Paths = paths!("callcov", "/api/v1/api-keys/{id}");
/// The ledger's name of a key is the beginning of its description.
const NAME: usize = 200;

#[derive(OpenApi)]
#[openapi(paths(create, list, expire), components(schemas(Failure)))]
struct Api;

/// The dialect.
pub(super) static FACE: Face = Face {
    dialect: DIALECT,
    mount: mount!("callcov"),
    routes: || {
        vec![
            DialectRoute::new(KEYS, get(list).merge(post(create))).fast_post(fast_path!(create)),
            DialectRoute::new(KEY, delete(expire)),
        ]
    },
    write_error,
    document: Api::openapi,
    about: "API keys of one user: at most ten that are active, ended early instead of deleted.",
    proofs: &[Proof::Token],
    rules: NativeRules::NONE,
};

/// Errors are `{"detail"}`, of a wrong field as a list of what is wrong with it.
fn write_error(error: &ApiError, _: &str) -> (StatusCode, Vec<u8>) {
    let status = error.code.status();
    let (status, detail) = match ErrorClass::of(error.code) {
        ErrorClass::Request if error.code == Code::AccountRequired => {
            (status, Detail::Text(&error.detail))
        }
        ErrorClass::Request => {
            (StatusCode::UNPROCESSABLE_ENTITY, Detail::Fields([WrongField::of(error)]))
        }
        ErrorClass::Caller | ErrorClass::KeyAsCaller => {
            (StatusCode::UNAUTHORIZED, Detail::Text("Could not validate credentials"))
        }
        ErrorClass::TooManyKeys if error.detail == own_limit().to_string() => (
            StatusCode::BAD_REQUEST,
            Detail::Text("Maximum number of API keys (10) reached. Please expire unused keys."),
        ),
        ErrorClass::TooManyKeys | ErrorClass::AgainstTheRules => {
            (StatusCode::BAD_REQUEST, Detail::Text(&error.detail))
        }
        ErrorClass::Key => (StatusCode::NOT_FOUND, Detail::Text("API key not found")),
        ErrorClass::Route | ErrorClass::Method => (status, Detail::Text(phrase(status))),
        ErrorClass::NotAllowed
        | ErrorClass::UsedBefore
        | ErrorClass::Overloaded
        | ErrorClass::Other => (status, Detail::Text(&error.detail)),
    };
    (status, error_body(&Failure { detail }))
}

/// The refusal of a key past the dialect's own limit; an account may have another one.
fn own_limit() -> Refusal {
    Refusal::ActiveKeyLimit(DIALECT.most_active().unwrap_or(u32::MAX))
}

/// An error.
#[derive(Serialize, ToSchema)]
struct Failure<'a> {
    detail: Detail<'a>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Detail<'a> {
    Text(&'a str),
    Fields([WrongField<'a>; 1]),
}

#[derive(Serialize, ToSchema)]
struct WrongField<'a> {
    r#type: &'static str,
    loc: Vec<&'a str>,
    msg: String,
}

impl<'a> WrongField<'a> {
    fn of(error: &'a ApiError) -> WrongField<'a> {
        let Some(Invalid { field, kind }) = error.invalid() else {
            let msg = error.detail.to_string();
            return WrongField { r#type: "json_invalid", loc: vec!["body"], msg };
        };
        let (r#type, loc) = match (&**field, kind) {
            ("body", InvalidKind::Type(Type::Object)) => ("model_attributes_type", vec!["body"]),
            ("body", _) => ("json_invalid", vec!["body"]),
            ("content-type", _) => ("value_error", vec!["header", field]),
            ("include_expired" | "query", _) => ("bool_parsing", vec!["query", field]),
            (_, InvalidKind::Value(keys::Invalid::TooLong { .. })) => {
                ("string_too_long", vec!["body", field])
            }
            (_, InvalidKind::Type(Type::Text)) => ("string_type", vec!["body", field]),
            _ => ("value_error", vec!["body", field]),
        };
        WrongField { r#type, loc, msg: kind.to_string() }
    }
}

#[derive(Default, Deserialize, ToSchema)]
struct Create {
    /// What the key is for: at most 500 characters.
    description: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unlisted: UnlistedFields,
}

/// A new key.
#[derive(Serialize, ToSchema)]
struct NewKey<'a> {
    id: String,
    /// The whole key, shown once.
    #[schema(required)]
    api_key: Option<&'a str>,
    key_prefix: &'a str,
    #[schema(required)]
    description: Option<&'a str>,
    created_at: String,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/api-keys/", operation_id = "createKey", request_body = Create,
    responses((status = 201, body = NewKey), (status = "4XX", body = Failure)))]
async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let client = DialectCaller::by_token(&parts, &app, DIALECT)?;
    client.require(MANAGE)?;
    client.account()?;
    let bytes = read_json(&parts.headers, body).await?;
    // Nothing in it is required, and so it is not either.
    let Create { description, unlisted } =
        if bytes.is_empty() { Create::default() } else { json(&bytes)? };
    let description = description.as_deref().map(describe).transpose()?;
    let key_request = NewKeyRequest {
        name: description.as_ref().and_then(name),
        description,
        policy: Policy { owner_active: DIALECT.most_active(), ..Policy::default() },
        ..NewKeyRequest::default()
    };
    let key_request = unlisted.bind(key_request)?;
    let made = app.ledger().create(&client.caller, key_request, RequestOptions::default()).await?;
    let key = &made.key.key;
    Ok(with_secret(
        StatusCode::CREATED,
        &NewKey {
            id: key.id.to_string(),
            api_key: made.secret.as_ref().map(Secret::reveal),
            key_prefix: key.prefix.as_str(),
            description: key.description.as_ref().map(Description::as_str),
            created_at: made.key.created_at.to_seconds_text(),
            expires_at: made.key.state.expires_at.map(Timestamp::to_seconds_text),
        },
    ))
}

fn describe(text: &str) -> Result<Description, ApiError> {
    field("description", text.parse())
}

/// The beginning of `description`, as one line. `None` if nothing of it is left.
fn name(description: &Description) -> Option<KeyName> {
    let line = description.as_str().chars().map(|c| if c.is_control() { ' ' } else { c });
    // What may be in several lines, but not in a name, is left out.
    let line: String = line.take(NAME).collect();
    let mut hidden = keys::hidden(&line).map(|(at, _)| at).peekable();
    let shown = line.char_indices().filter(|(at, _)| hidden.next_if_eq(at).is_none());
    KeyName::new(shown.map(|(_, one)| one).collect::<String>()).ok()
}

#[derive(Deserialize)]
struct Which {
    include_expired: Option<String>,
}

impl Which {
    /// As clients of several languages write it.
    fn include_expired(&self) -> Result<bool, ApiError> {
        let Some(text) = self.include_expired.as_deref() else { return Ok(false) };
        let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        if is_one_of(["true", "1", "yes", "on", "t", "y"]) {
            Ok(true)
        } else if is_one_of(["false", "0", "no", "off", "f", "n"]) {
            Ok(false)
        } else {
            Err(ApiError::field("include_expired", InvalidKind::Type(Type::Boolean)))
        }
    }
}

/// A key in the list.
#[derive(Serialize, ToSchema)]
struct Listed {
    id: String,
    key_prefix: String,
    #[schema(required)]
    description: Option<String>,
    is_active: bool,
    #[schema(required)]
    last_used_at: Option<String>,
    #[schema(required)]
    expires_at: Option<String>,
    created_at: String,
    updated_at: String,
}

impl Listed {
    fn new(view: &KeyView) -> Listed {
        Listed {
            id: view.key.id.to_string(),
            key_prefix: view.key.prefix.as_str().to_owned(),
            description: view.key.description.as_ref().map(ToString::to_string),
            is_active: view.status == Status::Enabled,
            last_used_at: view.last_used_at.map(Timestamp::to_seconds_text),
            expires_at: ended_at(view).or(view.state.expires_at).map(Timestamp::to_seconds_text),
            created_at: view.created_at.to_seconds_text(),
            updated_at: view.state.updated_at.to_seconds_text(),
        }
    }
}

#[derive(Serialize, ToSchema)]
/// Written as it is read, and so only described here.
struct List {
    api_keys: Vec<Listed>,
    total: u64,
}

/// Lists the caller's keys.
#[utoipa::path(get, path = "/api/v1/api-keys/", operation_id = "listKeys",
    params(("include_expired" = Option<bool>, Query, description = "Ended keys too")),
    responses((status = 200, body = List), (status = "4XX", body = Failure)))]
async fn list(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let client = DialectCaller::by_token(&parts, &app, DIALECT)?;
    let listing = client.own_keys(&app, DIALECT)?;
    let include_expired = query::<Which>(parts.uri.query())?.include_expired()?;
    let wanted = move |status| match status {
        Status::Enabled => true,
        Status::Disabled | Status::Expired => include_expired,
        Status::Revoked => false,
    };
    let show = move |view: &KeyView, _| wanted(view.status).then(|| Listed::new(view));
    let tail = |total| format!("],\"total\":{total}}}");
    key_list::stream(&app, listing, ("{\"api_keys\":[", tail), show).await
}

/// What ending a key answers.
#[derive(Serialize, ToSchema)]
struct Ended {
    message: &'static str,
    success: bool,
}

/// Ends a key at once.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", operation_id = "expireKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Ended), (status = "4XX", body = Failure)))]
async fn expire(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let client = DialectCaller::by_token(&parts, &app, DIALECT)?;
    client.require(MANAGE)?;
    client.account()?;
    let unknown = || ApiError::from(Refusal::UnknownKey);
    let id = path_text(&mut parts, &app).await.parse().map_err(|_| unknown())?;
    let view = app.ledger().key_of_dialect(&client.caller, DIALECT, id)?;
    if view.key.owner != client.caller.identity.subject {
        return Err(unknown());
    }
    let options = RequestOptions { only: Some(DIALECT), ..RequestOptions::default() };
    app.ledger().change(&client.caller, id, Change::Expire, options).await?;
    let answer = Ended { message: "API key expired successfully", success: true };
    Ok(wire::bare_json(StatusCode::OK, &answer))
}
