//! What is faster answers alike: past the router and through it, with the token that a connection
//! showed before and with one that is checked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use eventlog::memory::MemoryLog;
use http_body_util::BodyExt as _;
use ledger::{Journal, JournalOptions, Ledger, Options, Signing, SystemClock};

use super::*;
use crate::app::Config;
use crate::auth::Auth;
use crate::auth::token::{Claims, Roles, TokenKey, mint};
use crate::http::admission::Place;
use crate::http::connection::Connection;
use crate::webhooks::Webhooks;

const VERIFY: &str = "/v1/keys/verify";
const KEYS: &str = "/v1/keys";
const COVOSIGN: &str = "/dialects/covosign/api/v1/api-keys";
const UNKNOWN_KEY: &str = r#"{"key":"kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7"}"#;

fn app() -> App {
    let signing = Arc::new(Signing::new("ledger.example.com/keys", [7; 32]).unwrap());
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {}).unwrap();
    let clock = Arc::new(SystemClock::default());
    let journal =
        Journal::open(Arc::new(MemoryLog::new()), clock, signing, JournalOptions::default())
            .unwrap();
    let webhooks = Webhooks::in_memory(&ledger);
    let auth = Auth::new(TokenKey::from_seed(&[7; 32]), None).unwrap();
    App::new(ledger, journal, auth, webhooks, Config::default())
}

fn token(app: &App, role: &str) -> String {
    let now = app.ledger().now().seconds();
    let claims = Claims {
        sub: "ann".to_owned(),
        account: "acme".to_owned(),
        role: Roles::One(role.to_owned()),
        plan: Some("enterprise".to_owned()),
        iat: app.ledger().now(),
        nbf: None,
        exp: now + 3600,
        jti: format!("{role} of test"),
    };
    format!("Bearer {}", mint(&TokenKey::from_seed(&[7; 32]), &claims))
}

/// A request that can be sent several times.
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

impl Sent<'_> {
    fn request(&self) -> Request {
        let mut request = Request::builder().method(self.method).uri(self.path);
        request = request.header("x-request-id", "one");
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(self.body.to_owned())).unwrap()
    }

    /// The whole answer: status, headers, body.
    async fn answer(&self, service: &HttpService, connection: &Arc<Connection>) -> (u16, String) {
        let response = service.answer(self.request(), connection).await;
        let status = response.status().as_u16();
        // axum writes the length of a body that has one into the answer, hyper when it sends it.
        let headers = response.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH);
        let mut lines: Vec<String> =
            headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
        lines.sort();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        lines.push(String::from_utf8(body.to_vec()).unwrap());
        (status, lines.join("\n"))
    }
}

fn connection() -> Arc<Connection> {
    Arc::new(Connection::new(None, Place::Ordinary))
}

#[tokio::test]
async fn past_the_router_and_with_a_remembered_token_the_answer_is_the_same() {
    let app = app();
    let (owner, auditor) = (token(&app, "owner"), token(&app, "auditor"));
    let (owner, auditor) = (("authorization", owner.as_str()), ("authorization", auditor.as_str()));
    let made = r#"{"name":"ci","environment":"live"}"#;
    let table = [
        ("POST", VERIFY, vec![owner], UNKNOWN_KEY, 200),
        ("POST", VERIFY, vec![owner], r#"{"key":1}"#, 400),
        ("POST", VERIFY, vec![auditor], UNKNOWN_KEY, 403),
        ("POST", VERIFY, vec![], UNKNOWN_KEY, 401),
        ("POST", VERIFY, vec![owner, owner], UNKNOWN_KEY, 401),
        ("POST", VERIFY, vec![owner, ("content-type", "text/plain")], UNKNOWN_KEY, 400),
        ("POST", VERIFY, vec![owner, ("content-encoding", "br")], UNKNOWN_KEY, 415),
        ("POST", "/v1/keys/verify?as_of=seq:0", vec![owner], UNKNOWN_KEY, 403),
        ("POST", "/v1/keys/verify?x=1", vec![owner], UNKNOWN_KEY, 400),
        ("GET", VERIFY, vec![owner], "", 405),
        ("PUT", VERIFY, vec![owner], "", 405),
        // Sent once before: the answers that are compared are replays.
        ("POST", KEYS, vec![owner, ("idempotency-key", "k")], made, 201),
        ("POST", KEYS, vec![owner, ("idempotency-key", "k")], r#"{"name":"cd"}"#, 422),
        ("POST", KEYS, vec![owner], "{", 400),
        ("POST", KEYS, vec![auditor], made, 403),
        ("POST", KEYS, vec![], made, 401),
        ("DELETE", KEYS, vec![owner], "", 405),
        ("POST", COVOSIGN, vec![], "{}", 401),
        ("POST", COVOSIGN, vec![auditor], "{}", 403),
        ("POST", COVOSIGN, vec![owner], "[]", 400),
        ("DELETE", COVOSIGN, vec![owner], "", 405),
    ];
    let plain = HttpService::new(app.clone(), routes(&app).without_fast_paths());
    let fast = router(app);
    for (method, path, headers, body, status) in table {
        let sent = Sent { method, path, headers, body };
        sent.answer(&fast, &connection()).await;
        let expected = sent.answer(&plain, &connection()).await;
        assert_eq!(expected.0, status, "{method} {path} {body}: {}", expected.1);
        let reused = connection();
        for connection in [&connection(), &reused, &reused] {
            assert_eq!(sent.answer(&fast, connection).await, expected, "{method} {path} {body}");
        }
    }
}
