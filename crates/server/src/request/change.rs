//! A request for a change: who asks, how, and the body, in the order that answers 401 before 403
//! before 400.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use keys::{KeyId, Subject, Timestamp};
use ledger::{
    Caller, EXPIRE, Entry, Idempotency, Identity, MANAGE, Receipt, RequestOptions, Role, Scope, Via,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::auth::checked::Plan;
use crate::error::ApiError;
use crate::request::authenticated::Authenticated;
use crate::request::body::read_json;
use crate::request::context::HttpContext;
use crate::request::entity_tag::Revisions;
use crate::request::extract::{Path, field, idempotency_key, json, query};
use crate::wire::{BulkChange, Create, Expirations, Patch, Reasoned, Rotate};

/// A body that asks for a change.
pub(crate) trait ChangeBody: DeserializeOwned {
    /// Who may ask; the ledger judges it again.
    const ROLES: &[Role] = MANAGE;

    /// What no body at all means, if it means something.
    fn without_body() -> Option<Self> {
        None
    }

    /// Why it is asked for.
    fn reason(&mut self) -> Option<String>;
}

impl ChangeBody for Create {
    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

impl ChangeBody for Rotate {
    fn without_body() -> Option<Rotate> {
        Some(Rotate::default())
    }

    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

impl ChangeBody for Patch {
    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

impl ChangeBody for Reasoned {
    fn without_body() -> Option<Reasoned> {
        Some(Reasoned::default())
    }

    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

impl ChangeBody for BulkChange {
    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

impl ChangeBody for Expirations {
    const ROLES: &[Role] = EXPIRE;

    fn without_body() -> Option<Expirations> {
        Some(Expirations::default())
    }

    fn reason(&mut self) -> Option<String> {
        None
    }
}

/// What the path of a change names.
pub(crate) trait Target: Sized {
    fn of(parts: &mut Parts, app: &App) -> impl Future<Output = Result<Self, ApiError>> + Send;

    /// The revision that it is at, as far as the caller sees it.
    fn revision(&self, _: &App, _: &Caller) -> Option<u32> {
        None
    }
}

impl Target for () {
    async fn of(_: &mut Parts, _: &App) -> Result<(), ApiError> {
        Ok(())
    }
}

/// The key that is the caller.
pub(crate) struct OwnKey;

impl Target for OwnKey {
    async fn of(_: &mut Parts, _: &App) -> Result<OwnKey, ApiError> {
        Ok(OwnKey)
    }

    fn revision(&self, app: &App, caller: &Caller) -> Option<u32> {
        app.ledger().own_key(caller).ok().map(|view| view.state.revision)
    }
}

impl Target for KeyId {
    async fn of(parts: &mut Parts, app: &App) -> Result<KeyId, ApiError> {
        Path::from_request_parts(parts, app).await.map(|Path(id)| id)
    }

    fn revision(&self, app: &App, caller: &Caller) -> Option<u32> {
        // A key that is not there, or not for the caller, is at no revision.
        app.ledger().key(caller, *self).ok().map(|view| view.state.revision)
    }
}

impl Target for Subject {
    async fn of(parts: &mut Parts, app: &App) -> Result<Subject, ApiError> {
        Path::from_request_parts(parts, app).await.map(|Path(subject)| subject)
    }
}

/// A change that is asked for.
pub(crate) struct ChangeRequest<B, P = ()> {
    pub(crate) caller: Caller,
    /// What the caller's account pays for.
    pub(crate) plan: Plan,
    /// The moment the caller was checked.
    pub(crate) now: Timestamp,
    pub(crate) target: P,
    pub(crate) options: RequestOptions,
    /// Whether the answer is to hold the event's receipt.
    pub(crate) receipt: bool,
    pub(crate) body: B,
}

/// Who asks for a change.
pub(crate) struct RequestedBy {
    pub(crate) caller: Caller,
    /// What the caller's account pays for.
    pub(crate) plan: Plan,
    /// The moment the caller was checked.
    pub(crate) now: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    receipt: bool,
}

impl<B: ChangeBody, P: Target + Send> FromRequest<App> for ChangeRequest<B, P> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let context = HttpContext::of(request.extensions()).clone();
        ChangeRequest::read(app, request, &context).await
    }
}

impl<B: ChangeBody, P: Target + Send> ChangeRequest<B, P> {
    /// Reads a request.
    pub(crate) async fn read(
        app: &App,
        request: Request,
        context: &HttpContext,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let authenticated = Authenticated::in_context(&parts.headers, context, app)?;
        authenticated.require(B::ROLES)?;
        let Authenticated { token, now } = authenticated;
        let caller = context.caller(&parts.headers, app, &token.identity);
        let by = RequestedBy { caller, plan: token.plan, now };
        ChangeRequest::read_by(app, (parts, body), context, by).await
    }

    /// Reads a request of a caller that was let in.
    pub(crate) async fn read_by(
        app: &App,
        (mut parts, body): (Parts, Body),
        context: &HttpContext,
        RequestedBy { caller, plan, now }: RequestedBy,
    ) -> Result<Self, ApiError> {
        let bytes = read_json(&parts.headers, body).await?;
        let target = P::of(&mut parts, app).await?;
        let Parameters { dry_run, receipt } = query(parts.uri.query())?;
        let revisions = Revisions::of(&parts.headers)?;
        // A dry run has no outcome that could be recorded, or given again.
        let idempotency = idempotency(&parts, context.route, &caller.identity, &bytes)?;
        let idempotency = idempotency.filter(|_| !dry_run);
        let mut body = match B::without_body() {
            Some(empty) if bytes.is_empty() => empty,
            Some(_) | None => json::<B>(&bytes)?,
        };
        let reason = body.reason().map(|text| field("reason", text.parse())).transpose()?;
        let if_revision = revisions.wanted(|| target.revision(app, &caller));
        let options = RequestOptions { reason, if_revision, idempotency, dry_run, only: None };
        Ok(ChangeRequest { caller, plan, now, target, options, receipt, body })
    }
}

/// The receipt of an event that was just recorded, if it is wanted and there is one.
///
/// It is worked out in memory if the record is one of the newest. For a replay, and where four tiles
/// were filled meanwhile, a few tiles are read.
pub(crate) fn receipt(
    app: &App,
    caller: &Caller,
    include: bool,
    entry: Option<&Entry>,
) -> Result<Option<Receipt>, ApiError> {
    let entry = entry.filter(|_| include);
    Ok(entry.map(|entry| app.ledger().receipt(caller, entry)).transpose()?)
}

/// Of a request with an idempotency key, the digest of that and what scopes it, and the digest of
/// what is wanted.
pub(crate) fn idempotency(
    parts: &Parts,
    route: &str,
    identity: &Identity,
    body: &[u8],
) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = idempotency_key(&parts.headers)? else { return Ok(None) };
    let method = parts.method.as_str();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    Ok(Some(Idempotency {
        key: scope_of(identity, method, route, key),
        request: digest(&[method.as_bytes(), path.as_bytes(), query.as_bytes(), body]),
    }))
}

/// The digest of an idempotency key and what scopes it. Lengths go first, so that no two lists of
/// parts look alike.
pub(crate) fn scope_of(identity: &Identity, method: &str, route: &str, key: &str) -> [u8; 32] {
    let account = match &identity.scope {
        Scope::All => "*",
        Scope::Account(account) => account.as_str(),
    };
    // Of a key as the caller: its own requests, not those of other keys of its owner.
    let by = match &identity.via {
        Via::Key(id) => id.to_string(),
        Via::Token { .. } | Via::Worker => String::new(),
    };
    let scope = [account, identity.subject.as_str(), method, route, key, &by].map(str::as_bytes);
    digest(if by.is_empty() { &scope[..5] } else { &scope[..] })
}

/// One digest of several parts.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_parts_apart() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a"]), digest(&[b"a", b""]));
    }
}
