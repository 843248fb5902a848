//! A connection and the requests that come over it: what handlers know beyond the request itself.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use keys::Dialect;
use ledger::{Caller, Identity, Origin};

use crate::auth::LastToken;
use crate::site::Site;
use crate::{ApiError, App, Code, forwarded};

/// Who is at its other end, and what the requests before have shown.
pub(crate) struct Connection {
    /// What answers its requests. Here, so that a request counts no references that others share.
    pub(crate) site: Site,
    /// The address at the other end; unknown where there is no connection.
    pub(crate) peer: Option<IpAddr>,
    /// The token that came last.
    pub(crate) token: LastToken,
}

impl Connection {
    pub(crate) fn new(site: Site, peer: Option<IpAddr>) -> Connection {
        Connection { site, peer, token: LastToken::default() }
    }
}

/// What the request layer knows of a request, for its handler.
#[derive(Clone)]
pub(crate) struct Visit {
    /// The answer's `X-Request-Id`: 1 to 64 characters.
    pub(crate) request_id: HeaderValue,
    /// The route's template.
    pub(crate) route: &'static str,
    /// What it came over.
    pub(crate) connection: Arc<Connection>,
}

impl Visit {
    /// The visit of a request that came through the router.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Visit, ApiError> {
        // The request layer has put it there.
        extensions.get().ok_or_else(|| ApiError::new(Code::Internal, "the request has no visit"))
    }

    /// The client's address, behind the proxies that are trusted.
    pub(crate) fn client(&self, headers: &HeaderMap, app: &App) -> Option<IpAddr> {
        forwarded::client(self.connection.peer, headers, &app.config().trusted_proxies)
    }

    /// The caller that the ledger is told, for what is recorded or read.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        app: &App,
        identity: &Arc<Identity>,
    ) -> Caller {
        let ip = self.client(headers, app);
        let request_id = self.request_id.to_str().ok().map(Box::from);
        Caller {
            identity: Arc::clone(identity),
            dialect: Dialect::Native,
            origin: Origin { ip, request_id },
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, ApiError> {
        Visit::of(&parts.extensions).cloned()
    }
}
