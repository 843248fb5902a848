//! Posts a body to a URL and tells what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{HOST, USER_AGENT};
use rustls::ClientConfig;

use crate::address::AddressRules;
use crate::connection::Connection;
use crate::outcome::{Outcome, OutcomeKind};
use crate::target::Target;

/// How to post.
#[derive(Clone)]
pub struct PosterOptions {
    /// Which addresses may be connected to.
    pub rules: AddressRules,
    /// Whom to believe over TLS.
    pub tls: Arc<ClientConfig>,
    /// How long a whole exchange may take, from the look-up of the name to the answer's last byte.
    pub timeout: Duration,
    /// The `User-Agent`.
    pub user_agent: &'static str,
}

/// Posts bodies to URLs. Never through a proxy, never after a redirect.
pub struct Poster(PosterOptions);

/// The connection that the posts of one sender share, one after the other.
#[derive(Default)]
pub(crate) struct Line(Option<Connection>);

impl Poster {
    /// One that posts so.
    #[must_use]
    pub fn new(options: PosterOptions) -> Poster {
        Poster(options)
    }

    /// Which addresses may be connected to.
    #[must_use]
    pub fn rules(&self) -> &AddressRules {
        &self.0.rules
    }

    /// How it posts.
    pub(crate) fn options(&self) -> &PosterOptions {
        &self.0
    }

    /// Posts `body` with these headers, over the connection of the post before if that is open.
    pub(crate) async fn post(
        &self,
        line: &mut Line,
        target: &Target,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome {
        let exchange = self.exchange(line, target, headers, body);
        let outcome = tokio::time::timeout(self.0.timeout, exchange).await;
        let outcome = outcome.unwrap_or_else(|_| OutcomeKind::TimedOut.into());
        if outcome.status.is_none() || line.0.as_ref().is_some_and(|line| !line.is_open()) {
            line.0 = None;
        }
        outcome
    }

    async fn exchange(
        &self,
        line: &mut Line,
        target: &Target,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome {
        let request = || {
            let mut request = Request::post(target.path_and_query())
                .header(HOST, target.authority())
                .header(USER_AGENT, self.0.user_agent);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Full::new(body.clone()))
        };
        if let Some(connection) = &mut line.0
            && let Ok(request) = request()
        {
            match connection.send(request).await {
                Ok(outcome) => return outcome,
                Err(cut) if cut.answered => return OutcomeKind::CutOff.into(),
                // It may have been closed while nothing was sent: that says nothing of the receiver.
                Err(_) => line.0 = None,
            }
        }
        let connection = match Connection::open(target, &self.0.rules, &self.0.tls).await {
            Ok(connection) => line.0.insert(connection),
            Err(kind) => return kind.into(),
        };
        // A checked URL and the headers of this crate are lawful.
        let Ok(request) = request() else { return OutcomeKind::Unreachable.into() };
        connection.send(request).await.unwrap_or_else(|_| OutcomeKind::CutOff.into())
    }
}
