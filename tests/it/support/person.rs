//! A person that leaves something everywhere, in texts that nothing else has.

use serde_json::Value;

use super::{Answer, Client, Service};

/// Who it is; its path has to be encoded.
const SUBJECT: &str = "ann 7f3kx/\u{e9}@example.com";
const NAME: &str = "name-8h2mz";
const NEW_NAME: &str = "name-0v5cb";
const DESCRIPTION: &str = "descr-4j9wp";
const METADATA: &str = "meta-5t6yr";
const REASON: &str = "reason-9b4dl";
const OTHERS_REASON: &str = "reason-3n7ge";
const IDEMPOTENCY_KEY: &str = "idem-2x7fs";
const REQUEST_ID: &str = "reqid-6k3hj";
const USER_AGENT: &str = "agent-1z5qu";

/// Every text that says something of it.
pub(crate) const TEXTS: &[&str] = &[
    SUBJECT,
    "7f3kx",
    NAME,
    NEW_NAME,
    DESCRIPTION,
    METADATA,
    REASON,
    OTHERS_REASON,
    IDEMPOTENCY_KEY,
    REQUEST_ID,
    USER_AGENT,
];

/// A person, and what it has.
pub(crate) struct Person {
    /// Its own keys, and their secrets: one that it made, one that took the place of another, one that
    /// was made for it.
    pub(crate) keys: Vec<(String, String)>,
    /// A key that it made for somebody else.
    pub(crate) made: String,
    /// The texts of its tokens: one that was ended, one that was ended without having been seen, and
    /// one that is good.
    pub(crate) tokens: [String; 3],
    pub(crate) webhook: String,
}

impl Person {
    pub(crate) const SUBJECT: &str = SUBJECT;

    /// Its path.
    pub(crate) fn path(rest: &str) -> String {
        format!("/v1/subjects/{}{rest}", encoded(SUBJECT))
    }

    /// Has a person do what persons do.
    pub(crate) fn live(service: &Service) -> Person {
        let token = || service.token_of("acme", SUBJECT, "owner");
        let unseen = token();
        let ended = service.client_with(Some(&token()));
        let admin = service.client("admin");
        let call = |client: &Client, line: &str, headers: &[(&str, &str)]| -> Value {
            let answer: Answer = client.send_with(line, headers);
            assert!(answer.status < 300, "{line}: {answer:?}");
            answer.json()
        };
        let send = |client: &Client, line: &str, more: &[(&str, &str)]| {
            let headers = [&[("x-request-id", REQUEST_ID), ("user-agent", USER_AGENT)], more];
            call(client, line, &headers.concat())
        };
        let key = |made: &Value| {
            let text = |pointer| made.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
            (text("/key/id"), text("/secret"))
        };
        let once = [("idempotency-key", IDEMPOTENCY_KEY)];

        // With a token that is ended then, together with one that nobody has shown.
        send(&ended, "GET /v1/events", &[]);
        let end =
            format!(r#"{{"subject":"{SUBJECT}","account":"acme","reason":"{OTHERS_REASON}"}}"#);
        call(&admin, &format!("POST /v1/tokens/revoke {end}"), &[]);

        let good = token();
        let own = service.client_with(Some(&good));
        let body = format!(
            r#"{{"name":"{NAME}","description":"{DESCRIPTION}","metadata":{{"room":"{METADATA}"}},"reason":"{REASON}"}}"#
        );
        let first = key(&send(&own, &format!("POST /v1/keys {body}"), &once));
        let id = &first.0;
        let edit = format!(r#"{{"name":"{NEW_NAME}","reason":"{REASON}"}}"#);
        send(&own, &format!("PATCH /v1/keys/{id} {edit}"), &[]);
        let why = format!(r#"{{"reason":"{REASON}"}}"#);
        send(&own, &format!("POST /v1/keys/{id}/disable {why}"), &[]);
        send(&own, &format!("POST /v1/keys/{id}/enable"), &once);
        let rotated =
            key(&send(&own, &format!(r#"POST /v1/keys/{id}/rotate {{"overlap_s":600}}"#), &[]));
        let made = format!(r#"{{"name":"theirs","owner":"bob","reason":"{REASON}"}}"#);
        let (made, _) = key(&send(&own, &format!("POST /v1/keys {made}"), &[]));
        let given = format!(
            r#"{{"name":"{NAME}","owner":"{SUBJECT}","account":"other","reason":"{OTHERS_REASON}"}}"#
        );
        let given = key(&call(&admin, &format!("POST /v1/keys {given}"), &[]));
        let why = format!(r#"{{"reason":"{OTHERS_REASON}"}}"#);
        let revoked = &given.0;
        call(&admin, &format!("POST /v1/keys/{revoked}/disable {why}"), &[]);
        call(&admin, &format!("POST /v1/keys/{revoked}/enable"), &[]);

        send(&own, "GET /v1/events", &[]);
        send(&own, &format!("GET /v1/keys/{id}/history"), &[]);
        let token = format!(r#"{{"subject":"{SUBJECT}","role":"user","ttl_s":600}}"#);
        let token = send(&own, &format!("POST /v1/tokens {token}"), &once);
        let jti = token["token"]["jti"].as_str().unwrap();
        call(&admin, &format!("DELETE /v1/tokens/{jti} {why}"), &[]);
        let hook = r#"{"url":"https://hooks.invalid/","events":["created"]}"#;
        let hook = send(&own, &format!("POST /v1/webhooks {hook}"), &once);
        Person {
            keys: vec![first, rotated, given],
            made,
            tokens: [ended.token().unwrap().to_owned(), unseen, good],
            webhook: hook["webhook"]["id"].as_str().unwrap().to_owned(),
        }
    }
}

/// Percent-encoded, all but letters and digits.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
