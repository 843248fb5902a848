//! The caller of a request: who bears its token, as handlers take it for a parameter.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use keys::Timestamp;
use ledger::{Caller, Identity, READ, Role, Scope};

use crate::app::App;
use crate::auth::bearer::Bearer;
use crate::auth::checked::Token;
use crate::error::{ApiError, Code};
use crate::http::connection::Connection;
use crate::request::context::HttpContext;

/// The text after `Bearer`, refused if it is shaped like an API key.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let text = bearer_text(headers)?.ok_or_else(ApiError::no_token)?;
    not_a_key(text)?;
    Ok(text)
}

/// Refuses what is shaped like an API key of any format, by its shape alone.
pub(crate) fn not_a_key(text: &str) -> Result<(), ApiError> {
    if keys::looks_like_key(text) {
        let detail = "send a token: an API key cannot manage keys";
        Err(ApiError::new(Code::KeysCannotManageKeys, detail))
    } else {
        Ok(())
    }
}

/// The text after `Bearer`, whatever it is.
pub(crate) fn bearer_text(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::bad_token("send Authorization once"));
    }
    let text = value.to_str().map_err(|_| ApiError::bad_token("the token is not text"))?;
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(rest.trim())),
        Some(_) | None => Ok(None),
    }
}

/// A caller with a token that is accepted, whatever its roles: the ledger judges those.
pub(crate) struct Authenticated {
    /// The checked token.
    pub(crate) token: Arc<Token>,
    /// The moment it was checked.
    pub(crate) now: Timestamp,
}

impl Authenticated {
    /// Checks the bearer token of a request that came through the router.
    pub(crate) fn of(parts: &Parts, app: &App) -> Result<Authenticated, ApiError> {
        Authenticated::in_context(&parts.headers, HttpContext::of(&parts.extensions), app)
    }

    /// Checks the bearer token in `headers`.
    pub(crate) fn in_context(
        headers: &HeaderMap,
        context: &HttpContext,
        app: &App,
    ) -> Result<Authenticated, ApiError> {
        let now = app.ledger().now();
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let check = || app.auth().check(bearer(headers)?, now);
        let token = match shown {
            // Twice is refused by `bearer`.
            Some(shown) if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_none() => {
                let epoch = app.auth().epoch();
                let is_valid = |token: &Arc<Token>| token.is_current(epoch, now);
                let check = || check().map(|token| Arc::new(token.unshared()));
                context.connection.token.get_or_check(shown, is_valid, check)?
            }
            Some(_) | None => check()?,
        };
        Ok(Authenticated { token, now })
    }

    /// Refuses those without any of `roles` before their request is looked at.
    pub(crate) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        require(&self.token.identity, roles)
    }
}

/// Refuses a caller without any of `roles`, and says which would do.
pub(crate) fn require(identity: &Identity, roles: &[Role]) -> Result<(), ApiError> {
    if identity.roles.any(roles) { Ok(()) } else { Err(ApiError::needs_role(roles)) }
}

/// The caller of a request that came through the router.
pub(crate) fn caller(parts: &Parts, app: &App, identity: &Arc<Identity>) -> Caller {
    HttpContext::of(&parts.extensions).caller(&parts.headers, app, identity)
}

/// One who may read keys and events.
pub(crate) struct Reader {
    /// Who.
    pub(crate) caller: Caller,
    /// Until when a long answer goes on.
    pub(crate) bearer: Bearer,
    /// What the request came over.
    pub(crate) connection: Arc<Connection>,
}

impl Reader {
    /// Refuses those who may read, but not this.
    pub(crate) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        require(&self.caller.identity, roles)
    }

    /// The same, and those who may for one account only.
    pub(crate) fn require_all(&self, roles: &[Role]) -> Result<(), ApiError> {
        self.require(roles)?;
        match self.caller.identity.scope {
            Scope::All => Ok(()),
            Scope::Account(_) => Err(ApiError::needs_all_accounts()),
        }
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Reader, ApiError> {
        let who = Authenticated::of(parts, app)?;
        who.require(READ)?;
        let caller = caller(parts, app, &who.token.identity);
        app.ledger().count_read(&caller)?;
        let connection = Arc::clone(&HttpContext::of(&parts.extensions).connection);
        Ok(Reader { caller, bearer: Bearer::new(who.token), connection })
    }
}
