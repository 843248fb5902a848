//! The floor of the dialects: the same JSON in and out as their creates, and nothing behind it.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::values::{MILLIS, SECONDS, id};

pub(super) fn routes(router: Router) -> Router {
    router
        .route("/dialects/covosign/api/v1/api-keys", post(covosign))
        .route("/dialects/callcov/api/v1/api-keys/", post(callcov))
        .route("/dialects/cloudsigma/v1/api-keys", post(cloudsigma))
        .route("/dialects/capgo/apikey/", post(capgo))
        .route("/dialects/composable/api/v1/apikeys", post(composable))
        .route("/dialects/composable/api/v1/apikeys/pk", get(public))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CovosignNew {
    name: String,
    environment: String,
    #[serde(rename = "allowedIps")]
    _allowed_ips: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Covosign {
    code: u16,
    status_text: &'static str,
    message: &'static str,
    data: CovosignKey,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CovosignKey {
    id: String,
    api_key: &'static str,
    key_prefix: &'static str,
    name: String,
    environment: String,
}

async fn covosign(Json(new): Json<CovosignNew>) -> (StatusCode, Json<Covosign>) {
    let data = CovosignKey {
        id: id(1),
        api_key: "csk_sandbox_0123456789abcdefghijklmnopqrstuvwxyz",
        key_prefix: "csk_sandbox_0123456789abcd",
        name: new.name,
        environment: new.environment,
    };
    let message = "API key created successfully. Store it securely - it won't be shown again.";
    let answer = Covosign { code: 201, status_text: "Created", message, data };
    (StatusCode::CREATED, Json(answer))
}

#[derive(Deserialize)]
struct CallcovNew {
    description: Option<String>,
}

#[derive(Serialize)]
struct Callcov {
    id: String,
    api_key: &'static str,
    key_prefix: &'static str,
    description: Option<String>,
    created_at: &'static str,
}

async fn callcov(Json(new): Json<CallcovNew>) -> (StatusCode, Json<Callcov>) {
    let answer = Callcov {
        id: id(1),
        api_key: "sk_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL",
        key_prefix: "sk_live_012345",
        description: new.description,
        created_at: SECONDS,
    };
    (StatusCode::CREATED, Json(answer))
}

#[derive(Deserialize)]
struct CloudsigmaNew {
    name: String,
}

#[derive(Serialize)]
struct Cloudsigma {
    success: bool,
    data: CloudsigmaKey,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CloudsigmaKey {
    key: &'static str,
    prefix: &'static str,
    name: String,
    created_at: &'static str,
}

async fn cloudsigma(Json(new): Json<CloudsigmaNew>) -> (StatusCode, Json<Cloudsigma>) {
    let data = CloudsigmaKey {
        key: "csk_live_0123456789abcdef0123456789abcdef",
        prefix: "csk_live_01234567",
        name: new.name,
        created_at: SECONDS,
    };
    (StatusCode::CREATED, Json(Cloudsigma { success: true, data }))
}

#[derive(Deserialize)]
struct CapgoNew {
    org_id: String,
    mode: String,
    name: String,
}

#[derive(Serialize)]
struct Capgo {
    apikey: CapgoKey,
}

#[derive(Serialize)]
struct CapgoKey {
    id: u64,
    key: &'static str,
    mode: String,
    name: String,
    created_at: &'static str,
    user_id: String,
}

async fn capgo(Json(new): Json<CapgoNew>) -> Json<Capgo> {
    let apikey = CapgoKey {
        id: 1,
        key: "ak_01234567-89ab-4def-8123-0123456789ab",
        mode: new.mode,
        name: new.name,
        created_at: SECONDS,
        // As long as "ann", and taken from what came in.
        user_id: new.org_id.chars().take(3).collect(),
    };
    Json(Capgo { apikey })
}

#[derive(Deserialize)]
struct ComposableNew {
    name: String,
    role: String,
}

#[derive(Serialize)]
struct Composable {
    account: &'static str,
    name: String,
    r#type: &'static str,
    role: String,
    enabled: bool,
    created_at: &'static str,
    updated_at: &'static str,
    id: String,
    #[serde(rename = "maskedValue")]
    masked_value: &'static str,
    value: &'static str,
}

async fn composable(Json(new): Json<ComposableNew>) -> (StatusCode, Json<Composable>) {
    let answer = Composable {
        account: "acme",
        name: new.name,
        r#type: "sk",
        role: new.role,
        enabled: true,
        created_at: MILLIS,
        updated_at: MILLIS,
        id: id(1),
        masked_value: "sk-01234567****",
        value: "sk-0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    (StatusCode::CREATED, Json(answer))
}

#[derive(Deserialize)]
struct PublicQuery {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "ttl")]
    _ttl: u64,
}

#[derive(Serialize)]
struct Public {
    expire_at: &'static str,
    value: &'static str,
}

async fn public(Query(_): Query<PublicQuery>) -> Json<Public> {
    let value = "pk-0123456789abcdef0123456789abcdef0123456789abcdef";
    Json(Public { expire_at: MILLIS, value })
}
