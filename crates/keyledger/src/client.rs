//! The HTTP client of a server: authorization, refusals, pages.

use std::borrow::Cow;
use std::io::{BufReader, Read};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use ureq::http::{Method, Request, Uri};

use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::{Failure, misuse};
use crate::options::{Bearer, Remote};
use crate::print;

/// Time limit for making a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Time limit for the head of a response; longer than the server's own time limit.
const RESPONSE: Duration = Duration::from_secs(60);

/// The most bytes of a response that are read into memory as a whole.
const MAX_BODY_BYTES: u64 = 256 << 20;

/// A server, and the token to call it with.
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
    /// The `Authorization` header; `None` for public routes only.
    authorization: Option<String>,
}

/// One request.
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    query: Vec<(Cow<'a, str>, String)>,
    headers: Vec<(&'a str, String)>,
    body: Option<&'a Value>,
    /// Lines of JSON for a body.
    lines: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// `GET path`
    pub(crate) fn get(path: impl Into<String>) -> Call<'a> {
        Call::new(Method::GET, path)
    }

    /// `POST path` with a body.
    pub(crate) fn post(path: impl Into<String>, body: &'a Value) -> Call<'a> {
        Call { body: Some(body), ..Call::new(Method::POST, path) }
    }

    /// `POST path` with lines of JSON.
    pub(crate) fn lines(path: impl Into<String>, lines: &'a str) -> Call<'a> {
        Call { lines: Some(lines), ..Call::new(Method::POST, path) }
    }

    /// `PATCH path` with a body.
    pub(crate) fn patch(path: impl Into<String>, body: &'a Value) -> Call<'a> {
        Call { body: Some(body), ..Call::new(Method::PATCH, path) }
    }

    /// `POST path` without a body.
    pub(crate) fn post_empty(path: impl Into<String>) -> Call<'a> {
        Call::new(Method::POST, path)
    }

    /// `DELETE path`
    pub(crate) fn delete(path: impl Into<String>) -> Call<'a> {
        Call::new(Method::DELETE, path)
    }

    fn new(method: Method, path: impl Into<String>) -> Call<'a> {
        let path = path.into();
        Call { method, path, query: Vec::new(), headers: Vec::new(), body: None, lines: None }
    }

    /// Adds a query parameter, if there is a value for it.
    pub(crate) fn query(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: Option<impl ToString>,
    ) -> Call<'a> {
        self.query.extend(value.map(|value| (name.into(), value.to_string())));
        self
    }

    /// Adds a header, if there is a value for it.
    pub(crate) fn header(mut self, name: &'a str, value: Option<impl ToString>) -> Call<'a> {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

/// A refusal of the server, with its own sentence (RFC 9457).
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    sentence: String,
}

impl Client {
    /// A client of the server, with the token that the options name.
    pub(crate) fn new(remote: &Remote) -> Result<Client> {
        Client::with(&remote.url, Some(format!("Bearer {}", bearer(remote)?)))
    }

    /// A client of the server, with a token if the options name one.
    pub(crate) fn public(remote: &Remote) -> Result<Client> {
        let Bearer { token, token_file } = &remote.bearer;
        let has_token = token.is_some() || token_file.is_some();
        let authorization = has_token.then(|| bearer(remote)).transpose()?;
        Client::with(&remote.url, authorization.map(|token| format!("Bearer {token}")))
    }

    /// A client of the server at `url` that is known by an API key.
    pub(crate) fn by_key(url: &str, key: &str) -> Result<Client> {
        if !key.chars().all(|one| one.is_ascii_graphic()) {
            return Err(misuse("the key has characters that no header may have"));
        }
        Client::with(url, Some(format!("Bearer {key}")))
    }

    fn with(url: &str, authorization: Option<String>) -> Result<Client> {
        let url = url.trim_end_matches('/').to_owned();
        let uri: Uri = url.parse().map_err(|_| misuse(format!("`{url}` is no URL")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(misuse(format!("`{url}` must begin with http:// or https://")));
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The token must not follow a redirect to another server.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(RESPONSE));
        if matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            config = config.proxy(None);
        }
        Ok(Client { agent: config.build().into(), url, authorization })
    }

    /// Sends the request and returns the JSON of a successful response.
    pub(crate) fn call(&self, call: Call<'_>) -> Result<Value> {
        let mut response = self.send(call)?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_string();
        let body = body.map_err(|error| self.unreachable(&error))?;
        serde_json::from_str(&body)
            .with_context(|| format!("{} did not answer as keyledger does", self.url))
    }

    /// Sends the request and returns the body of a successful response as a reader.
    pub(crate) fn stream(&self, call: Call<'_>) -> Result<BufReader<impl Read + use<>>> {
        Ok(BufReader::new(self.send(call)?.into_body().into_reader()))
    }

    /// Sends the request and returns the bytes of a successful response.
    pub(crate) fn bytes(&self, call: Call<'_>) -> Result<Vec<u8>> {
        let mut response = self.send(call)?;
        let body = response.body_mut().with_config().limit(MAX_BODY_BYTES).read_to_vec();
        body.map_err(|error| self.unreachable(&error))
    }

    /// Sends the request and returns the text of a successful response.
    pub(crate) fn text(&self, call: Call<'_>) -> Result<String> {
        String::from_utf8(self.bytes(call)?)
            .with_context(|| format!("{} did not answer as keyledger does", self.url))
    }

    /// Whether requests carry a token.
    pub(crate) fn has_token(&self) -> bool {
        self.authorization.is_some()
    }

    /// Requests page after page and passes each item to `each`, at most `limit` of them.
    pub(crate) fn pages(
        &self,
        call: impl Fn() -> Call<'static>,
        limit: Option<u64>,
        each: &mut dyn FnMut(&Value) -> Result<()>,
    ) -> Result<()> {
        let mut left = limit.unwrap_or(u64::MAX);
        let mut cursor: Option<String> = None;
        while left > 0 {
            let page =
                self.call(call().query("limit", Some(left.min(500))).query("cursor", cursor))?;
            let items = page.get("items").and_then(Value::as_array);
            for item in items.context("the answer is not a list")? {
                if left == 0 {
                    break;
                }
                left -= 1;
                each(item)?;
            }
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn send(&self, call: Call<'_>) -> Result<ureq::http::Response<ureq::Body>> {
        let mut uri = format!("{}{}", self.url, call.path);
        for (place, (name, value)) in call.query.iter().enumerate() {
            uri.push(if place == 0 { '?' } else { '&' });
            uri += &format!("{}={}", escaped(name), escaped(value));
        }
        let mut request = Request::builder().method(call.method).uri(uri);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let sent = match (call.body, call.lines) {
            (None, Some(lines)) => {
                let request = request.header("content-type", "application/x-ndjson");
                self.agent.run(request.body(lines.to_owned()).map_err(|error| unsendable(&error))?)
            }
            (Some(body), _) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).map_err(|error| unsendable(&error))?)
            }
            (None, None) => self.agent.run(request.body(()).map_err(|error| unsendable(&error))?),
        };
        let mut response = sent.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.body_mut().read_to_string().unwrap_or_default();
        Err(refused(status.as_u16(), &body).into())
    }

    fn unreachable(&self, error: &ureq::Error) -> anyhow::Error {
        let sentence = format!(
            "{} cannot be reached ({error}); start `keyledger serve` there, or say where with --url",
            self.url
        );
        Failure::Unreachable(sentence).into()
    }
}

fn unsendable(error: &ureq::http::Error) -> anyhow::Error {
    misuse(format!("this cannot be sent: {error}"))
}

/// The refusal in a response. Its text comes from the server: control characters are escaped.
fn refused(status: u16, body: &str) -> Refused {
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    let field = |name| problem.get(name).and_then(Value::as_str).map(print::plain);
    let sentence = match (field("code"), field("detail").or_else(|| field("title"))) {
        (Some(code), Some(detail)) => format!("refused: {detail} ({code}, HTTP {status})"),
        _ => format!("refused with HTTP {status}"),
    };
    Refused { status, sentence }
}

/// The token that the options name.
fn bearer(remote: &Remote) -> Result<String> {
    let token = match (&remote.bearer.token_file, &remote.bearer.token) {
        (Some(file), _) => {
            // A token expires, so one that others may read is worth a warning only.
            let text = secret_file::read(file, Exposed::Accepted)?
                .with_context(|| format!("there is no token file `{}`", file.display()))?;
            // The last line, as `keyledger token` prints it.
            text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("").to_owned()
        }
        (None, Some(token)) => token.clone(),
        (None, None) => {
            return Err(misuse(
                "a token is needed: set KEYLEDGER_TOKEN, or give --token-file or --token; \
                 `keyledger token` makes one",
            ));
        }
    };
    if token.is_empty() || !token.chars().all(|one| one.is_ascii_graphic()) {
        return Err(misuse("the token is empty or has characters that no token has"));
    }
    Ok(token)
}

/// Sleeps. (`thread::sleep` is not allowed anywhere.)
pub(crate) fn pause(time: Duration) {
    let (mutex, never_notified) = (Mutex::new(()), Condvar::new());
    if let Ok(guard) = mutex.lock() {
        drop(never_notified.wait_timeout(guard, time));
    }
}

/// Percent-encoded for a query (RFC 3986 §2.3).
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escaped("a b&c=ü~1"), "a%20b%26c%3D%C3%BC~1");
    }

    #[test]
    fn a_refusal_shows_the_sentence_of_the_server() {
        let body = r#"{"code":"key_not_found","detail":"no such key"}"#;
        assert_eq!(
            refused(404, body).to_string(),
            "refused: no such key (key_not_found, HTTP 404)"
        );
        assert_eq!(refused(502, "<html>").to_string(), "refused with HTTP 502");
    }
}
