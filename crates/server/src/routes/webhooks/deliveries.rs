//! What was delivered, going back in the log, and the key that signs what is sent.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{Range, Reading, Seq};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{MANAGE, PathId, SHOWN, blocking, find};
use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;
use crate::request::extract::{Path, Query};
use crate::request::parameters::NoParameters;
use crate::routes::evidence::answers::fresh;
use crate::wire;
use crate::wire::webhook::{Deliveries, Delivery, ShownWebhook};

/// Lists the last attempts of a webhook, newest first
///
/// Roles `owner`, `auditor` and `admin`.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook's id", format = "uuid")),
    responses((status = 200, body = Deliveries)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<PathId>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    let attempts = find(&app, &reader, SHOWN, &id)?.progress.attempts();
    let items = attempts.into_iter().map(Delivery::new).collect();
    Ok(wire::json(StatusCode::OK, &Deliveries { items }))
}

/// From where to go on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Replay {
    /// The last event that need not be sent again; without it, all are sent.
    after: Option<u64>,
}

/// Has a webhook go back, or forward, and start again if it was given up
///
/// Events after `after` are sent at once, those again that were sent before. Receivers tell them by
/// their `webhook-id`. Reminders are not sent again. Roles `owner` and `admin`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/replay",
    operation_id = "replayWebhook",
    tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook's id", format = "uuid"), Replay),
    responses((status = 200, body = ShownWebhook)),
)]
pub(crate) async fn replay(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<PathId>,
    Query(parameters): Query<Replay>,
) -> Result<Response, ApiError> {
    let webhook = find(&app, &reader, MANAGE, &id)?;
    let next = parameters.after.map_or(Seq(0), |after| Seq(after).next());
    let length = *app.ledger().length().borrow();
    if next > length {
        return Err(ApiError::field("after", format_args!("the log ends at {}", length.0)));
    }
    let account = webhook.definition.account.as_deref().and_then(|account| account.parse().ok());
    let range = Range { from: next, until: Some(length), account, ..Range::default() };
    reader.record(&app, Reading::Events, range).await?;
    let moving = std::sync::Arc::clone(&webhook);
    blocking(&app, move |_| Ok(moving.progress.replay(next.0)?)).await?;
    Ok(wire::json(StatusCode::OK, &ShownWebhook::new(&webhook)))
}

/// Gives the public key that signs webhooks
///
/// Ed25519, as Standard Webhooks writes it (`whpk_` and base64): for signatures of version `v1a`.
#[utoipa::path(
    get,
    path = "/log/keys/webhooks",
    operation_id = "webhookKeys",
    tag = "webhooks",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn keys(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(format!("{}\n", app.webhooks().public_key())))
}
