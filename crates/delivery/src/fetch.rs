//! Posts a body to a URL and reads what is answered.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};

use crate::connection::Connection;
use crate::outcome::OutcomeKind;
use crate::poster::Poster;
use crate::target::Target;

/// An answer, whatever its status. Redirects are not followed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, without parameters and in small letters; empty if there is none.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nothing came, or not the whole of it.
    #[error("there was no answer: {}", .0.as_str())]
    None(OutcomeKind),
    /// More came than is read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl Poster {
    /// Posts `body` with these headers over a connection of its own, and reads an answer of at most `most`
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`FetchError`]. Whether the receiver took the body is not known.
    pub async fn fetch(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        most: usize,
    ) -> Result<Answer, FetchError> {
        let exchange = self.exchange_once(target, headers, body, most);
        let answer = tokio::time::timeout(self.options().timeout, exchange).await;
        answer.unwrap_or(Err(FetchError::None(OutcomeKind::TimedOut)))
    }

    async fn exchange_once(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        most: usize,
    ) -> Result<Answer, FetchError> {
        let options = self.options();
        let mut request = Request::post(target.path_and_query())
            .header(HOST, target.authority())
            .header(USER_AGENT, options.user_agent);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|_| FetchError::None(OutcomeKind::Unreachable))?;
        let opened = Connection::open(target, &options.rules, &options.tls).await;
        let mut connection = opened.map_err(FetchError::None)?;
        let fetched = connection.fetch(request, most).await;
        let (head, body) = fetched.map_err(|_| FetchError::None(OutcomeKind::CutOff))?;
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.and_then(|value| value.split(';').next());
        Ok(Answer {
            status: head.status.as_u16(),
            content_type: content_type.unwrap_or_default().trim().to_ascii_lowercase(),
            body: body.ok_or(FetchError::TooLong(most))?,
        })
    }
}
