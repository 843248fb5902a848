//! The callers of dialects: by a token as on the native API, or by a key that the dialect made.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use keys::{Account, Dialect, Timestamp};
use ledger::{Caller, Identity, KeyView, Role, Roles, Scope, Via};

use super::key_list::Listing;
use crate::app::App;
use crate::auth::checked::Plan;
use crate::error::{ApiError, Code};
use crate::request::authenticated;
use crate::request::authenticated::Authenticated;
use crate::request::context::HttpContext;
use crate::request::extract::header_text;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A caller that was let in.
pub(super) struct DialectCaller {
    /// For the ledger.
    pub(super) caller: Caller,
    /// What its token says is paid for; `Free` for a key.
    pub(super) plan: Plan,
    /// The key it called with.
    pub(super) key: Option<KeyView>,
    /// The moment it was checked.
    pub(super) now: Timestamp,
}

impl DialectCaller {
    /// By a token alone.
    pub(super) fn by_token(
        parts: &Parts,
        app: &App,
        dialect: Dialect,
    ) -> Result<DialectCaller, ApiError> {
        let Authenticated { token, now } = Authenticated::of(parts, app)?;
        let caller = Caller { dialect, ..authenticated::caller(parts, app, &token.identity) };
        Ok(DialectCaller { caller, plan: token.plan, key: None, now })
    }

    /// By `credential`: a key of `dialect`, with all roles of an owner, or a token.
    pub(super) fn by_key_or_token(
        parts: &Parts,
        app: &App,
        dialect: Dialect,
        credential: &str,
    ) -> Result<DialectCaller, ApiError> {
        let now = app.ledger().now();
        if !keys::looks_like_key(credential) {
            let token = app.auth().check(credential, now)?;
            let caller = Caller { dialect, ..authenticated::caller(parts, app, &token.identity) };
            return Ok(DialectCaller { caller, plan: token.plan, key: None, now });
        }
        let key = app.ledger().presented(dialect, credential, client_address(parts, app));
        let key = key.ok_or_else(|| ApiError::bad_token("the API key is not good"))?;
        let identity = Arc::new(Identity {
            subject: key.key.owner.clone(),
            scope: Scope::Account(key.key.account.clone()),
            roles: Roles::default().with(Role::Owner),
            via: Via::Key(key.key.id),
        });
        let caller = Caller { dialect, ..authenticated::caller(parts, app, &identity) };
        Ok(DialectCaller { caller, plan: Plan::Free, key: Some(key), now })
    }

    /// Refuses those without any of `roles` before their request is looked at.
    pub(super) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        authenticated::require(&self.caller.identity, roles)
    }

    /// A list of the keys that `dialect` made for it. Counts as a read.
    pub(super) fn own_keys(&self, app: &App, dialect: Dialect) -> Result<Listing, ApiError> {
        app.ledger().count_read(&self.caller)?;
        Ok(Listing { caller: self.caller.clone(), dialect, account: self.account()? })
    }

    /// The one account it may see. A token of all accounts has none.
    pub(super) fn account(&self) -> Result<Account, ApiError> {
        let account = self.caller.identity.scope.account().cloned();
        let detail = "send a token of one account";
        account.ok_or_else(|| ApiError::new(Code::AccountRequired, detail))
    }
}

fn client_address(parts: &Parts, app: &App) -> Option<IpAddr> {
    HttpContext::of(&parts.extensions).client(&parts.headers, app)
}

/// The text in `Authorization`, without `Bearer` if that stands before it.
pub(super) fn authorization(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let text = header_text(&parts.headers, &header::AUTHORIZATION);
    let text = text.map_err(|_| ApiError::bad_token("send Authorization once, as text"))?;
    Ok(text.map(str::trim).map(|text| match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        Some(_) | None => text,
    }))
}

/// The text after `Bearer` in `Authorization`.
pub(super) fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    authenticated::bearer_text(&parts.headers)
}

/// The text in `X-API-Key`.
pub(super) fn api_key(parts: &Parts) -> Result<Option<&str>, ApiError> {
    header_text(&parts.headers, &API_KEY)
        .map_err(|_| ApiError::bad_token("send X-API-Key once, as text"))
}
