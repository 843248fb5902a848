//! A connection and the requests that come over it: what handlers know beyond the request itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use keys::Dialect;
use ledger::{Caller, Identity, Origin};

use crate::app::{App, Config};
use crate::auth::LastToken;
use crate::error::{ApiError, Code};
use crate::http::admission::Place;
use crate::http::peer::Watch;
use crate::http::service::HttpService;
use crate::request::forwarded;

/// Who is at its other end, and what the requests before have shown.
pub(crate) struct Connection {
    /// What answers its requests. Here, so that a request counts no references that others share.
    pub(crate) site: HttpService,
    /// The address at the other end; unknown where there is no connection.
    pub(crate) peer: Option<IpAddr>,
    /// What it may ask for.
    pub(crate) place: Place,
    /// The token that came last.
    pub(crate) token: LastToken,
    /// A [`Watch`] as a number.
    watch: AtomicU8,
    /// Whether the present answer shows what could not be recorded as read.
    unrecorded: AtomicBool,
}

impl Connection {
    pub(crate) fn new(site: HttpService, peer: Option<IpAddr>, place: Place) -> Connection {
        let (token, watch) = (LastToken::default(), AtomicU8::new(Watch::Nothing as u8));
        Connection { site, peer, place, token, watch, unrecorded: AtomicBool::new(false) }
    }

    /// Has the present answer say that the reading was not recorded.
    pub(crate) fn say_unrecorded(&self) {
        self.unrecorded.store(true, Ordering::Relaxed);
    }

    /// Whether the answer has to say that, once.
    pub(crate) fn is_unrecorded(&self) -> bool {
        // Looked at first: this is asked for every answer, and hardly ever so.
        self.unrecorded.load(Ordering::Relaxed) && self.unrecorded.swap(false, Ordering::Relaxed)
    }

    /// Has the connection, and with it the present answer, end as soon as the client closes its
    /// half: for an answer that has no end of its own. It holds until the next request.
    pub(crate) fn end_with_client(&self) {
        self.watch.store(Watch::Closed as u8, Ordering::Relaxed);
    }

    /// A request begins: what the one before had watched is over.
    pub(crate) fn begin(&self) {
        if self.watch() != Watch::Nothing {
            self.watch.store(Watch::Nothing as u8, Ordering::Relaxed);
        }
    }

    /// The answer takes time: its work ends if the client breaks off.
    pub(crate) fn wait(&self) {
        self.change(Watch::Nothing, Watch::Broken);
    }

    /// The answer that took time is there.
    pub(crate) fn wait_no_more(&self) {
        self.change(Watch::Broken, Watch::Nothing);
    }

    fn change(&self, from: Watch, to: Watch) {
        let (from, to) = (from as u8, to as u8);
        let _ = self.watch.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What is watched for at present.
    pub(crate) fn watch(&self) -> Watch {
        let watch = self.watch.load(Ordering::Relaxed);
        [Watch::Broken, Watch::Closed]
            .into_iter()
            .find(|one| *one as u8 == watch)
            .unwrap_or(Watch::Nothing)
    }
}

/// What the request layer knows of a request, for its handler.
#[derive(Clone)]
pub(crate) struct HttpContext {
    /// The answer's `X-Request-Id`: 1 to 64 characters.
    pub(crate) request_id: HeaderValue,
    /// The route's template.
    pub(crate) route: &'static str,
    /// What it came over.
    pub(crate) connection: Arc<Connection>,
}

impl HttpContext {
    /// The visit of a request that came through the router.
    pub(crate) fn of(extensions: &Extensions) -> Result<&HttpContext, ApiError> {
        // The request layer has put it there.
        extensions.get().ok_or_else(|| ApiError::new(Code::Internal, "the request has no visit"))
    }

    /// The client's address, behind the proxies that are trusted; `None` if they do not name it.
    pub(crate) fn client(&self, headers: &HeaderMap, app: &App) -> Option<IpAddr> {
        let Config { trusted_proxies, forwarded_header, .. } = app.config();
        forwarded::client(self.connection.peer, headers, trusted_proxies, *forwarded_header)
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

impl<S: Sync> FromRequestParts<S> for HttpContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<HttpContext, ApiError> {
        HttpContext::of(&parts.extensions).cloned()
    }
}
