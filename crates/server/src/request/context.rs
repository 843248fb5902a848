//! What a handler has of a request beyond the request itself: its id, its route, its connection.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use keys::Dialect;
use ledger::{Caller, Identity, Origin};

use crate::app::{App, Config};
use crate::http::connection::Connection;
use crate::http::request_id::RequestId;
use crate::request::forwarded;

/// What the request layer knows of a request, for its handler.
#[derive(Clone)]
pub(crate) struct HttpContext {
    /// The answer's `X-Request-Id`.
    pub(crate) request_id: RequestId,
    /// The route's template.
    pub(crate) route: &'static str,
    /// What it came over.
    pub(crate) connection: Arc<Connection>,
}

impl HttpContext {
    /// The context of a request that came through the router.
    #[expect(clippy::expect_used, reason = "the request layer adds it to each request it routes")]
    pub(crate) fn of(extensions: &Extensions) -> &HttpContext {
        extensions.get().expect("the request layer has put it there")
    }

    /// The client's address, behind the proxies that are trusted; `None` if they do not name it.
    pub(crate) fn client(&self, headers: &HeaderMap, app: &App) -> Option<IpAddr> {
        let Config { trusted_proxies, forwarded_header, .. } = app.config();
        forwarded::client(self.connection.peer, headers, trusted_proxies, *forwarded_header)
    }

    /// The caller as the ledger takes it, for what is recorded or read.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        app: &App,
        identity: &Arc<Identity>,
    ) -> Caller {
        let ip = self.client(headers, app);
        let request_id = Some(self.request_id.as_str().into());
        Caller {
            identity: Arc::clone(identity),
            dialect: Dialect::Native,
            origin: Origin { ip, request_id },
        }
    }
}

impl<S: Sync> FromRequestParts<S> for HttpContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<HttpContext, Infallible> {
        Ok(HttpContext::of(&parts.extensions).clone())
    }
}
