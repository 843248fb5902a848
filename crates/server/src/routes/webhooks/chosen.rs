//! The webhook that a path names: for one who may see it, and for one who may change it.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use delivery::{Idempotency, Refusal, Webhook, WebhookId};
use keys::Invalid;
use ledger::{Caller, Role, Scope};

use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;
use crate::request::change::idempotency;
use crate::request::context::HttpContext;
use crate::request::extract::{Path, query};
use crate::request::parameters::NoParameters;

/// Who may make and delete webhooks, and have them go back.
pub(super) const MANAGE: &[Role] = &[Role::Owner, Role::Admin];
/// Who may see them.
pub(super) const SHOWN: &[Role] = &[Role::Owner, Role::Auditor, Role::Admin];

/// A webhook that is shown.
pub(crate) struct Shown(pub(super) Arc<Webhook>);

impl FromRequestParts<App> for Shown {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Shown, ApiError> {
        let reader = Reader::from_request_parts(parts, app).await?;
        reader.require(SHOWN)?;
        let Path(PathId(id)) = Path::from_request_parts(parts, app).await?;
        let NoParameters {} = query(parts.uri.query())?;
        find(app, &reader.caller, id).map(Shown)
    }
}

/// A change of a webhook: that it is deleted, or goes on from elsewhere.
pub(crate) struct Change {
    pub(super) reader: Reader,
    pub(super) webhook: Arc<Webhook>,
    /// The request, if it has an idempotency key.
    pub(super) request: Option<Idempotency>,
    /// Whether an earlier request with that key did it, to this webhook.
    pub(super) is_repeated: bool,
}

impl FromRequestParts<App> for Change {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Change, ApiError> {
        let reader = Reader::from_request_parts(parts, app).await?;
        reader.require(MANAGE)?;
        let Path(PathId(id)) = Path::from_request_parts(parts, app).await?;
        let route = HttpContext::of(&parts.extensions).route;
        // What such a request has for a body is of no meaning.
        let identity = &reader.caller.identity;
        let request = idempotency(parts, route, identity, &[])?;
        let request = request.map(|request| app.webhooks().blinded(&identity.subject, &request));
        let request = request.transpose().map_err(|error| ApiError::internal(&error))?;
        let now = app.ledger().now().micros();
        let repeated = app.webhooks().registry().repeated(request, now)?;
        let is_repeated = repeated.is_some();
        let webhook = repeated.map_or_else(|| find(app, &reader.caller, id), Ok)?;
        Ok(Change { reader, webhook, request, is_repeated })
    }
}

/// A webhook's id in a path.
struct PathId(WebhookId);

impl FromStr for PathId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<PathId, Invalid> {
        text.parse().map(PathId).map_err(|_| Invalid::Malformed { expected: "a UUID" })
    }
}

/// A webhook that the caller sees; any other is not found.
fn find(app: &App, caller: &Caller, id: WebhookId) -> Result<Arc<Webhook>, ApiError> {
    let found = app.webhooks().registry().get(id);
    found.filter(|webhook| sees(caller, webhook)).ok_or_else(|| Refusal::Unknown.into())
}

/// Whether a webhook is in the caller's scope: one of all accounts, only in that of all.
pub(super) fn sees(caller: &Caller, webhook: &Webhook) -> bool {
    match (&caller.identity.scope, &webhook.definition.account) {
        (Scope::All, _) => true,
        (Scope::Account(own), Some(account)) => own.as_str() == account,
        (Scope::Account(_), None) => false,
    }
}
