//! What was delivered, going back in the log, and the key that signs what is sent.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use delivery::Changed;
use ledger::{Range, Reading, Seq};
use serde::Deserialize;
use utoipa::IntoParams;

use super::chosen::{Change, Shown};
use super::{blocking, changed};
use crate::app::App;
use crate::error::ApiError;
use crate::request::extract::Query;
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
    responses((status = 200, body = Deliveries)),
)]
pub(crate) async fn list(Shown(webhook): Shown) -> Response {
    let items = webhook.progress.attempts().into_iter().map(Delivery::new).collect();
    wire::json(StatusCode::OK, &Deliveries { items })
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
/// their `webhook-id`. Reminders are not sent again. A request that is repeated with its
/// `Idempotency-Key` moves nothing and shows the webhook as it is by then; of each webhook the last
/// key is remembered. Roles `owner` and `admin`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/replay",
    operation_id = "replayWebhook",
    tag = "webhooks",
    params(Replay),
    responses((status = 200, body = ShownWebhook)),
)]
pub(crate) async fn replay(
    State(app): State<App>,
    change: Change,
    Query(parameters): Query<Replay>,
) -> Result<Response, ApiError> {
    let Change { reader, webhook, request, is_repeated } = change;
    if is_repeated {
        return Ok(changed(&app, &webhook, true));
    }
    let next = parameters.after.map_or(Seq(0), |after| Seq(after).next());
    let length = *app.ledger().length().borrow();
    if next > length {
        return Err(ApiError::field("after", format_args!("the log ends at {}", length.0)));
    }
    let account = webhook.definition.account.as_deref().and_then(|account| account.parse().ok());
    let range = Range { from: next, until: Some(length), account, ..Range::default() };
    reader.record(&app, Reading::Events, range).await?;
    let (id, now) = (webhook.id(), app.ledger().now().micros());
    let moved = blocking(&app, move |registry| registry.replay(id, next.0, request, now));
    let Changed { webhook, replayed } = moved.await?;
    Ok(changed(&app, &webhook, replayed))
}

/// Gives the public key that signs webhooks
///
/// Ed25519, as Standard Webhooks writes it (`whpk_` and base64): for signatures of version `v1a`. Then,
/// after an empty line, the note (c2sp.org/signed-note) in which the log's key vouches for it.
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
    Ok(fresh(app.webhooks().public_key()))
}
