//! Posts a body to a URL and tells what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{HOST, USER_AGENT};
use rustls::ClientConfig;

use crate::address::AddressRules;
use crate::connection::{Answer, Connection};
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
pub struct Line(Option<Connection>);

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

    /// Posts `body` with these headers, over the connection of the post before if that is open.
    pub(crate) async fn post(
        &self,
        line: &mut Line,
        target: &Target,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome {
        let answer = self.request(line, target, headers, body).await;
        answer.map_or_else(Outcome::from, |answer| Outcome::of_status(answer.status))
    }

    /// The same; gives the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// Why there is none, or not all of it.
    pub async fn request(
        &self,
        line: &mut Line,
        target: &Target,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, OutcomeKind> {
        let exchange = self.exchange(line, target, headers, body);
        let answer = tokio::time::timeout(self.0.timeout, exchange).await;
        let answer = answer.unwrap_or(Err(OutcomeKind::TimedOut));
        if answer.is_err() || line.0.as_ref().is_some_and(|line| !line.is_open()) {
            line.0 = None;
        }
        answer
    }

    async fn exchange(
        &self,
        line: &mut Line,
        target: &Target,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, OutcomeKind> {
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
                Ok(answer) => return Ok(answer),
                Err(cut) if cut.answered => return Err(OutcomeKind::CutOff),
                // It may have been closed while nothing was sent: that says nothing of the receiver.
                Err(_) => line.0 = None,
            }
        }
        let connection = Connection::open(target, &self.0.rules, &self.0.tls).await?;
        let connection = line.0.insert(connection);
        // A checked URL and the headers of this crate are lawful.
        let request = request().map_err(|_| OutcomeKind::Unreachable)?;
        connection.send(request).await.map_err(|_| OutcomeKind::CutOff)
    }
}
