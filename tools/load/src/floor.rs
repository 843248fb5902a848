//! The floor: what axum alone costs. The same JSON in and out as the service, typed and checked
//! for unknown fields like the service's, and nothing behind it: no token check, no rules, no log.

mod dialects;
mod values;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use self::values::{MICROS, SECRET, id};

/// Numbers the keys that were "created".
static CREATED: AtomicU64 = AtomicU64::new(0);

/// Serves until the process is killed. As many worker threads as the service has: tokio's own choice, one a
/// core, or what `TOKIO_WORKER_THREADS` says.
pub(crate) fn serve(listen: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        println!("floor ready listen={}", listener.local_addr()?);
        std::io::stdout().flush()?;
        serve_on(listener).await
    })
}

/// Serves on a listener that is there already.
pub(crate) async fn serve_on(listener: TcpListener) -> Result<()> {
    // A client that went away has no use for the option: not worth an error.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router()).await?)
}

fn router() -> Router {
    let native = Router::new()
        .route("/v1/keys", post(create).get(list))
        .route("/v1/keys/verify", post(verify))
        .route("/readyz", get(async || "ready"));
    dialects::routes(native)
}

/// `POST /v1/keys`
async fn create(Json(new): Json<New>) -> (StatusCode, Json<Created>) {
    let number = CREATED.fetch_add(1, Ordering::Relaxed) + 1;
    (StatusCode::CREATED, Json(Created { key: Key::new(number, new), secret: SECRET }))
}

/// `POST /v1/keys/verify`
async fn verify(Json(request): Json<Verify>) -> Json<Verified> {
    let valid = !request.key.is_empty();
    let key = Holder {
        id: id(1),
        account: "acme",
        owner: "ann",
        name: "load-00001-000000001".to_owned(),
        kind: "secret",
        environment: "live",
        role: request.ip,
        permissions: vec!["orders.read".to_owned(), "orders.write".to_owned()],
        project: Some("checkout".to_owned()),
        metadata: BTreeMap::new(),
        expires_at: None,
    };
    Json(Verified { valid, code: "VALID", key, remaining_today: None, log_size: 100_000 })
}

/// `GET /v1/keys`
async fn list(Query(query): Query<List>) -> Json<Page> {
    let new = |number: u64| New {
        name: format!("load-00001-{number:09}"),
        environment: Some("live".to_owned()),
        permissions: vec!["orders.read".to_owned(), "orders.write".to_owned()],
        project: Some("checkout".to_owned()),
        ..New::default()
    };
    let items = (1..=query.limit.min(500)).map(|number| Key::new(number, new(number))).collect();
    Json(Page { items, next_cursor: query.cursor.or_else(|| Some("AAAAAAAAAAAA".to_owned())) })
}

/// The body of a create.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct New {
    name: String,
    description: Option<String>,
    kind: Option<String>,
    environment: Option<String>,
    role: Option<String>,
    permissions: Vec<String>,
    project: Option<String>,
    allowed_ips: Vec<String>,
    expires_at: Option<String>,
    daily_limit: Option<u64>,
    metadata: BTreeMap<String, String>,
    owner: Option<String>,
}

/// The answer to a create.
#[derive(Serialize)]
struct Created {
    key: Key,
    secret: &'static str,
}

/// A key in full.
#[derive(Serialize)]
struct Key {
    id: String,
    number: u64,
    account: &'static str,
    owner: String,
    name: String,
    description: Option<String>,
    kind: String,
    environment: String,
    role: Option<String>,
    permissions: Vec<String>,
    project: Option<String>,
    allowed_ips: Vec<String>,
    expires_at: Option<String>,
    daily_limit: Option<u64>,
    metadata: BTreeMap<String, String>,
    prefix: &'static str,
    replaces: Option<String>,
    replaced_by: Option<String>,
    dialect: &'static str,
    public_value: Option<String>,
    status: &'static str,
    masked: &'static str,
    revision: u64,
    created_at: &'static str,
    updated_at: &'static str,
    last_used_at: Option<String>,
    created_by: &'static str,
}

impl Key {
    fn new(number: u64, new: New) -> Key {
        Key {
            id: id(number),
            number,
            account: "acme",
            owner: new.owner.unwrap_or_else(|| "ann".to_owned()),
            name: new.name,
            description: new.description,
            kind: new.kind.unwrap_or_else(|| "secret".to_owned()),
            environment: new.environment.unwrap_or_else(|| "live".to_owned()),
            role: new.role,
            permissions: new.permissions,
            project: new.project,
            allowed_ips: new.allowed_ips,
            expires_at: new.expires_at,
            daily_limit: new.daily_limit,
            metadata: new.metadata,
            prefix: "kl_live_012345",
            replaces: None,
            replaced_by: None,
            dialect: "native",
            public_value: None,
            status: "enabled",
            masked: "kl_live_012345…",
            revision: 1,
            created_at: MICROS,
            updated_at: MICROS,
            last_used_at: None,
            created_by: "ann",
        }
    }
}

/// The body of a verify.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    key: String,
    #[serde(rename = "permission")]
    _permission: Option<String>,
    ip: Option<String>,
    #[serde(rename = "project")]
    _project: Option<String>,
    #[serde(rename = "environment")]
    _environment: Option<String>,
}

/// The answer to a verify.
#[derive(Serialize)]
struct Verified {
    valid: bool,
    code: &'static str,
    key: Holder,
    remaining_today: Option<u64>,
    log_size: u64,
}

/// What a verify shows of the key.
#[derive(Serialize)]
struct Holder {
    id: String,
    account: &'static str,
    owner: &'static str,
    name: String,
    kind: &'static str,
    environment: &'static str,
    role: Option<String>,
    permissions: Vec<String>,
    project: Option<String>,
    metadata: BTreeMap<String, String>,
    expires_at: Option<String>,
}

/// The query of a list.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    limit: u64,
    cursor: Option<String>,
}

/// The answer to a list.
#[derive(Serialize)]
struct Page {
    items: Vec<Key>,
    next_cursor: Option<String>,
}
