//! `/v1/webhooks`: where events are posted to. Made, shown, deleted.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

mod chosen;
pub(crate) mod deliveries;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use delivery::{Changed, NewWebhook, Position, Refusal, Registry, Webhook};
use keys::Account;
use ledger::{Caller, Range, Reading, Role, Scope};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use self::chosen::{Change, MANAGE, SHOWN, Shown, sees};
use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::change::{ChangeBody, ChangeRequest};
use crate::request::cursor;
use crate::request::extract::{Query, parse};
use crate::request::page::{Both, PageParameters};
use crate::request::parameters::NoParameters;
use crate::webhooks::{EXPIRING, first_marks};
use crate::wire;
use crate::wire::webhook::{CheckedWebhook, CreateWebhook, ShownWebhook};

/// The routes of webhooks.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/webhooks", get(list).post(create))
        .add("/v1/webhooks/{webhook}", get(one).delete(delete))
        .add("/v1/webhooks/{webhook}/deliveries", get(deliveries::list))
        .add("/v1/webhooks/{webhook}/replay", post(deliveries::replay))
        .add("/log/keys/webhooks", get(deliveries::keys))
}

impl ChangeBody for CreateWebhook {
    const ROLES: &[Role] = MANAGE;

    fn reason(&mut self) -> Option<String> {
        None
    }
}

/// Makes a webhook
///
/// It is sent what is recorded from now on. The answer is the only one that has its secret: a repeat with
/// the same `Idempotency-Key` has it for ten minutes, until the service starts again, and then null.
///
/// Roles `owner` and `admin`.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    request_body = CreateWebhook,
    responses(
        (status = 201, description = "The new webhook", body = wire::webhook::NewWebhook),
        (status = 200, description = "Of a dry run: it could be made", body = wire::webhook::NewWebhook),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: ChangeRequest<CreateWebhook>,
) -> Result<Response, ApiError> {
    let ChangeRequest { caller, options, body, receipt, .. } = request;
    if receipt {
        return Err(ApiError::field("receipt", "a webhook is no event, and has none"));
    }
    app.ledger().count_read(&caller)?;
    let CheckedWebhook { target, events, account, secret } = body.checked()?;
    app.webhooks().rules().check(&target).map_err(|why| ApiError::field("url", why.to_string()))?;
    let of_account = account_of(&caller, account)?;
    let account = of_account.as_ref().map(|account| account.as_str().to_owned());
    let subject = &caller.identity.subject;
    let broken = |error| ApiError::internal(&error);
    let idempotency = options.idempotency.as_ref();
    let idempotency = idempotency.map(|digests| app.webhooks().blinded(subject, digests));
    let idempotency = idempotency.transpose().map_err(broken)?;
    // Nobody is given a key by a rehearsal.
    let created_by = if options.dry_run {
        String::new()
    } else {
        app.webhooks().sealed_maker(subject).map_err(broken)?
    };
    let new = NewWebhook { target, events, account, created_by, secret, idempotency };
    let now = app.ledger().now();
    app.webhooks().registry().check(&new, now.micros())?;
    if options.dry_run {
        let answer = wire::webhook::NewWebhook { webhook: None, secret: None };
        return Ok(wire::json(StatusCode::OK, &answer));
    }
    let next = *app.ledger().length().borrow();
    // Who has the trail sent to them reads it as it happens. Unrecorded nothing is sent.
    let range = Range { from: next, account: of_account, ..Range::default() };
    app.journal().record(&caller, Reading::Stream, range).await?;
    let reminders =
        if new.events.iter().any(|word| word == EXPIRING) { first_marks(now) } else { Vec::new() };
    let position = Position { next: next.0, reminders };
    let made = blocking(&app, move |registry| registry.create(new, position, now.micros()));
    Ok(answer(&app, &made.await?))
}

fn answer(app: &App, made: &delivery::Created) -> Response {
    let secret = made.secret.as_ref().map(delivery::Secret::text);
    let webhook = Some(shown(app, &made.webhook));
    let secret = secret.as_ref().map(|text| text.as_str());
    let answer = wire::webhook::NewWebhook { webhook, secret };
    let mut response = wire::receipted(StatusCode::CREATED, &answer, None);
    wire::replayed(&mut response, made.replayed);
    let location = HeaderValue::from_str(&format!("/v1/webhooks/{}", made.webhook.id()));
    let location = location.unwrap_or_else(|_| unreachable!("an id is ASCII"));
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whose events a new webhook hears of; `None` is those of all accounts.
fn account_of(caller: &Caller, wanted: Option<Account>) -> Result<Option<Account>, ApiError> {
    match (&caller.identity.scope, wanted) {
        (Scope::All, wanted) => Ok(wanted),
        (Scope::Account(own), None) => Ok(Some(own.clone())),
        (Scope::Account(own), Some(wanted)) if *own == wanted => Ok(Some(wanted)),
        (Scope::Account(_), Some(_)) => Err(ledger::Error::Forbidden.into()),
    }
}

/// Which webhooks to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhooks {
    /// Only those of this account.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
}

/// Webhooks, a page at a time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct WebhookList<'a> {
    /// What is on this page, oldest first.
    items: Vec<ShownWebhook<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<wire::words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// Lists webhooks
///
/// Roles `owner`, `auditor` and `admin`.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    params(ListWebhooks, PageParameters),
    responses((status = 200, body = WebhookList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Both(page, parameters): Both<PageParameters, ListWebhooks>,
) -> Result<Response, ApiError> {
    reader.require(SHOWN)?;
    let most = page.limit()?;
    let after = page.cursor().map(cursor::webhook).transpose()?;
    let account: Option<Account> = parse("account", parameters.account.as_deref())?;
    let account = account.as_ref().map(Account::as_str);
    let mut found: Vec<Arc<Webhook>> = app.webhooks().registry().all();
    found.retain(|webhook| {
        let definition = &webhook.definition;
        sees(&reader.caller, webhook)
            && (account.is_none() || account == definition.account.as_deref())
            && after.is_none_or(|after| webhook.id() > after)
    });
    let more = found.len() > most;
    found.truncate(most);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::of_webhook(last.id()));
    let items = found.iter().map(|webhook| shown(&app, webhook)).collect();
    Ok(wire::json(StatusCode::OK, &wire::Page { items, next_cursor }))
}

/// Shows a webhook
///
/// Roles `owner`, `auditor` and `admin`.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook}",
    operation_id = "getWebhook",
    tag = "webhooks",
    responses((status = 200, body = ShownWebhook)),
)]
pub(crate) async fn one(State(app): State<App>, Shown(webhook): Shown) -> Response {
    wire::json(StatusCode::OK, &shown(&app, &webhook))
}

/// Deletes a webhook
///
/// Nothing more is sent. The answer shows how far it was. That it was deleted for an `Idempotency-Key`
/// is remembered until the service starts again; then, as without one, a repetition is 404. Roles `owner` and `admin`.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{webhook}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    responses((status = 200, body = ShownWebhook)),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    change: Change,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    let (id, request) = (change.webhook.id(), change.request);
    let now = app.ledger().now().micros();
    let deleted = blocking(&app, move |registry| registry.delete(id, request, now));
    let Changed { webhook, replayed } = deleted.await?;
    Ok(changed(&app, &webhook, replayed))
}

/// What a change answers: the webhook as it is now, and whether that was done before.
fn changed(app: &App, webhook: &Webhook, replayed: bool) -> Response {
    let mut response = wire::json(StatusCode::OK, &shown(app, webhook));
    wire::replayed(&mut response, replayed);
    response
}

/// A webhook as it is shown.
pub(crate) fn shown<'w>(app: &App, webhook: &'w Webhook) -> ShownWebhook<'w> {
    ShownWebhook::new(webhook, &app.webhooks().maker(webhook))
}

/// Does what waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Registry) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let registry = Arc::clone(app.webhooks().registry());
    let done = tokio::task::spawn_blocking(move || work(&registry)).await;
    Ok(done.map_err(|error| ApiError::internal(&error))??)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let code = match &refusal {
            Refusal::Unknown => Code::WebhookNotFound,
            Refusal::TooManyOfAccount(_) | Refusal::TooMany(_) => Code::WebhookLimit,
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
            Refusal::Random(_) | Refusal::Io(_) => return ApiError::internal(&refusal),
        };
        ApiError::new(code, refusal.to_string())
    }
}
