//! The part of the HTTP API that these tests use.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A client with its own connections.
pub(crate) struct Api {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

/// A request to change a key.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: String,
    /// With it the same request may be sent again and has one effect.
    pub(crate) idempotency_key: Option<String>,
}

/// Its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Post,
    Delete,
}

impl Request {
    pub(crate) fn post(path: impl Into<String>, body: impl Into<String>) -> Request {
        let (path, body) = (path.into(), body.into());
        Request { method: Method::Post, path, body, idempotency_key: None }
    }
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Api {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build();
        Api { agent: config.into(), url: url.to_owned(), bearer: format!("Bearer {token}") }
    }

    /// The JSON of the response to a GET.
    ///
    /// # Errors
    ///
    /// For every status but 200.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get_text(path)?)?)
    }

    /// The text of the response to a GET.
    ///
    /// # Errors
    ///
    /// For every status but 200.
    pub(crate) fn get_text(&self, path: &str) -> Result<String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut response = request.header("authorization", &self.bearer).call()?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        if status != 200 {
            bail!("GET {path}: {status} {text}");
        }
        Ok(text)
    }

    /// Sends a request and returns the response, whatever its status.
    ///
    /// # Errors
    ///
    /// Without a complete response; whether the change was made is unknown.
    pub(crate) fn send(&self, change: &Request) -> Result<(u16, Value)> {
        let url = format!("{}{}", self.url, change.path);
        let mut response = match change.method {
            Method::Delete => {
                self.agent.delete(url).header("authorization", &self.bearer).call()?
            }
            Method::Post => {
                let mut request = self.agent.post(url).header("authorization", &self.bearer);
                if let Some(key) = &change.idempotency_key {
                    request = request.header("idempotency-key", key);
                }
                request.header("content-type", "application/json").send(change.body.as_str())?
            }
        };
        let text = response.body_mut().read_to_string()?;
        let value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text:?}"))?;
        Ok((response.status().as_u16(), value))
    }

    /// The verdict on a secret.
    pub(crate) fn verify(&self, secret: &str) -> Result<String> {
        let body = serde_json::json!({ "key": secret }).to_string();
        let (status, verdict) = self.send(&Request::post("/v1/keys/verify", body))?;
        if status != 200 {
            bail!("verify: {status} {verdict}");
        }
        Ok(text(&verdict, "/code"))
    }
}

/// The text at `pointer`, empty if there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
