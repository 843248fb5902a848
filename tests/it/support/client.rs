//! A tiny HTTP client.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

use super::deadline::DEADLINE;
use super::document::RequestLine;
use super::stream::Stream;

/// A client of one service, with one token.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    address: SocketAddr,
    token: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: Option<&str>) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            // A connection of its own for each request: one whose body was refused unread may be
            // closed behind its answer, and the next request on it would find nobody.
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .proxy(None)
            .timeout_recv_response(Some(DEADLINE));
        let agent = config.build().into();
        Client { agent, address, token: token.map(str::to_owned) }
    }

    /// Sends `METHOD PATH`, or `METHOD PATH BODY`.
    pub(crate) fn send(&self, line: &str) -> Answer {
        self.send_with(line, &[])
    }

    /// The same, with headers.
    pub(crate) fn send_with(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_send(line, headers).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The same, with a body that says it is of another type.
    pub(crate) fn send_typed(&self, line: &str, content_type: &str) -> Answer {
        self.send_with(line, &[("content-type", content_type)])
    }

    /// The same; the service may be gone.
    pub(crate) fn try_send(
        &self,
        line: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut response = self.open(line, headers)?;
        let text = response.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        let (parts, _) = response.into_parts();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text };
        RequestLine::of(line).is_answered(answer.status, &answer.headers, Some(&answer.text));
        Ok(answer)
    }

    /// The bytes of an answer, which must be a good one.
    pub(crate) fn bytes(&self, line: &str) -> Vec<u8> {
        let (status, bytes) = self.bytes_or_status(line);
        assert_eq!(status, 200, "{line}");
        bytes
    }

    /// The status of an answer, and its bytes.
    pub(crate) fn bytes_or_status(&self, line: &str) -> (u16, Vec<u8>) {
        let mut response = self.open(line, &[]).unwrap();
        let bytes = response.body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap();
        let status = response.status().as_u16();
        RequestLine::of(line).is_answered(status, response.headers(), str::from_utf8(&bytes).ok());
        (status, bytes)
    }

    /// A stream of events; its status must be 200.
    pub(crate) fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let line = format!("GET {path}");
        let response = self.open(&line, headers).unwrap();
        assert_eq!(response.status(), 200);
        RequestLine::of(&line).is_answered(200, response.headers(), None);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream::new(response.into_body().into_reader())
    }

    /// The status of an answer whose body is left alone, and the code of a refusal.
    pub(crate) fn status(&self, line: &str) -> String {
        self.status_with(line, &[])
    }

    /// The same, with headers.
    pub(crate) fn status_with(&self, line: &str, headers: &[(&str, &str)]) -> String {
        let mut response = self.open(line, headers).unwrap();
        let status = response.status().as_u16();
        if status < 400 {
            RequestLine::of(line).is_answered(status, response.headers(), None);
            return status.to_string();
        }
        let problem = response.body_mut().read_to_string().unwrap();
        RequestLine::of(line).is_answered(status, response.headers(), Some(&problem));
        format!("{status} {}", text(&serde_json::from_str(&problem).unwrap(), "/code"))
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn open(
        &self,
        line: &str,
        headers: &[(&str, &str)],
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let RequestLine { method, target, body } = RequestLine::of(line);
        let uri = format!("http://{}{target}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match body {
            Some(body) => {
                let typed = headers.iter().any(|(name, _)| *name == "content-type");
                if !typed {
                    request = request.header("content-type", "application/json");
                }
                self.agent.run(request.body(body.to_owned())?)
            }
            None if matches!(method, "POST" | "PUT" | "PATCH") => {
                self.agent.run(request.body(String::new())?)
            }
            None => self.agent.run(request.body(())?),
        }
    }

    /// Sends bytes that need not be HTTP, and gives what comes back until the end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may have hung up already.
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Makes a key. Its id and its secret.
    pub(crate) fn create(&self, body: &str) -> (String, String) {
        let answer = self.send(&format!("POST /v1/keys {body}"));
        assert_eq!(answer.status, 201, "{answer:?}");
        let json = answer.json();
        (text(&json, "/key/id"), text(&json, "/secret"))
    }

    /// All items of a list, page by page.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.send(&format!("GET {path}{sign}limit=500{cursor}"));
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code of a refusal, which must have the form of one.
    pub(crate) fn code(&self) -> String {
        self.is_problem();
        text(&self.json(), "/code")
    }

    /// The field that a refusal is about: its detail begins with it.
    pub(crate) fn field(&self) -> Option<String> {
        let detail = text(&self.json(), "/detail");
        let (field, _) = detail.split_once(": ")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
        field.chars().all(is_name).then(|| field.to_owned())
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// It is a problem as RFC 9457 has it, and named by its request id.
    pub(crate) fn is_problem(&self) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        for field in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text)
    }
}

fn text(json: &Value, pointer: &str) -> String {
    let value = json.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {pointer} in {json}")).to_owned()
}
