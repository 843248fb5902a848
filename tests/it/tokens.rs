//! `/v1/tokens`: who has which token, and that an end is an end: at once, everywhere, for good.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::auth::{mint, seconds_now};
use crate::support::{Answer, Client, Service, keyledger, until};

/// Makes a token. Its id and its text.
fn made(client: &Client, body: &str) -> (String, String) {
    let answer = client.send(&format!("POST /v1/tokens {body}"));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = |pointer| answer.json().pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    (text("/token/jti"), text("/secret"))
}

fn listed(client: &Client, jti: &str) -> Option<Value> {
    client.all("/v1/tokens").into_iter().find(|token| token["jti"] == jti)
}

/// A connection that stays open, and shows one token with every request.
struct KeepAlive {
    socket: BufReader<TcpStream>,
    request: String,
}

impl KeepAlive {
    fn new(service: &Service, token: &str) -> KeepAlive {
        let socket = TcpStream::connect(service.address()).unwrap();
        let request =
            format!("GET /v1/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        KeepAlive { socket: BufReader::new(socket), request }
    }

    /// The status of the next answer.
    fn send(&mut self) -> String {
        self.socket.get_mut().write_all(self.request.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line).unwrap();
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).unwrap();
        head.split(' ').nth(1).unwrap().to_owned()
    }
}

#[test]
fn an_ended_token_is_ended_everywhere_and_for_good() {
    let service = Service::start();
    let owner = service.client("owner");
    let (jti, text) =
        made(&owner, r#"{"subject":"bob","role":["owner","verifier"],"ttl_s":86400}"#);
    let row = listed(&owner, &jti).unwrap();
    assert_eq!(row["role"], json!(["owner", "verifier"]));
    assert_eq!((&row["subject"], &row["account"]), (&json!("bob"), &json!("acme")));
    assert_eq!((&row["last_used_at"], &row["ended_at"]), (&Value::Null, &Value::Null));

    let bob = service.client_with(Some(&text));
    let (key, _) = bob.create(r#"{"name":"k"}"#);
    let event = owner.send("GET /v1/events/0").json();
    assert_eq!(event["actor"]["via"], format!("token:keyledger:{jti}"));
    assert!(listed(&owner, &jti).unwrap()["last_used_at"].is_string());
    let mut open = KeepAlive::new(&service, &text);
    assert_eq!((open.send(), open.send()), ("200".into(), "200".into()));
    let mut stream = bob.stream("/v1/events/stream", &[]);
    assert_eq!(stream.next()["key_id"], key);

    let path = format!("/v1/tokens/{jti}");
    assert_eq!(owner.send(&format!("DELETE {path}?dry_run=true")).status, 200);
    assert_eq!(open.send(), "200");
    let ended = owner.send(&format!(r#"DELETE {path} {{"reason":"laptop lost"}}"#));
    assert_eq!(ended.status, 200, "{ended:?}");
    assert!(ended.json()["token"]["ended_at"].is_string());
    assert_eq!(open.send(), "401", "the connection remembers the token");
    let refused = bob.send("GET /v1/keys");
    assert_eq!(refused.refusal(), (401, "unauthenticated".into()));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    assert_eq!(stream.next_or_end(), None);
    assert_eq!(owner.send(&format!("DELETE {path}")).refusal(), (409, "already".into()));
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains("\nkeyledger_tokens_ended 1\n"), "{metrics}");
    assert!(metrics.contains("\nkeyledger_ended_tokens_refused 2\n"), "{metrics}");

    let service = service.kill().start();
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 401);
    let owner = service.client("owner");
    let row = listed(&owner, &jti).unwrap();
    assert!(row["ended_at"].is_string(), "{row}");
    let log = service.client("admin").all("/v1/access");
    let of_token: Vec<_> = log.iter().filter(|entry| entry["token"]["jti"] == jti).collect();
    let types: Vec<_> = of_token.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["token_made", "token_seen", "token_ended"]);
    assert_eq!(of_token[1]["actor"]["subject"], "bob");
    assert_eq!(of_token[2]["reason"], "laptop lost");
    assert!(!log.iter().any(|entry| entry.to_string().contains(&text)));
}

/// Tokens of the program's own that nobody has shown yet.
#[test]
fn tokens_that_were_never_seen_are_ended_by_subject_and_by_time() {
    let service = Service::start();
    let admin = service.client("admin");
    let of = |subject: &str| service.token_of("acme", subject, "owner");
    let (ann, bob, seen) = (of("ann"), of("bob"), of("ann"));
    let status = |token: &str| service.client_with(Some(token)).send("GET /v1/keys").status;
    assert_eq!(status(&seen), 200);
    let ended = admin.send(r#"POST /v1/tokens/revoke {"subject":"ann","account":"acme"}"#);
    assert_eq!(ended.json()["ended"], 1, "{ended:?}");
    assert_eq!([status(&ann), status(&seen), status(&bob)], [401, 401, 200]);
    // Made in the same second, and after it.
    let next = of("ann");
    assert_eq!(status(&next), 200);
    let service = service.kill().start();
    let status = |token: &str| service.client_with(Some(token)).send("GET /v1/keys").status;
    assert_eq!([status(&ann), status(&next), status(&bob)], [401, 200, 200]);

    let by_hand = mint(&service, &json!({"iat": seconds_now() - 60, "sub": "eve"}));
    let admin = service.client("admin");
    let now = listed(&admin, &jti_of(&next)).unwrap()["issued_at"].as_str().unwrap().to_owned();
    let line = |more: &str| {
        format!(r#"POST /v1/tokens/revoke{more} {{"issued_before":"{now}","account":"acme"}}"#)
    };
    let before = admin.send(&line("?dry_run=true")).json()["ended"].as_u64().unwrap();
    assert!(before >= 1);
    assert_eq!(status(&bob), 200, "a dry run ends nothing");
    assert_eq!(admin.send(&line("")).json()["ended"], before);
    assert_eq!([status(&bob), status(&by_hand), status(&next)], [401, 401, 200]);
    assert_eq!(admin.send("GET /v1/tokens").status, 200, "of another account");
}

/// The `jti` claim of a token.
fn jti_of(token: &str) -> String {
    use base64::Engine as _;

    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_makes_sees_or_ends_what_it_has_not_itself() {
    let service = Service::start();
    let admin = service.client("admin");
    let own_admin = service.client_of("acme", "admin");
    let owner = service.client("owner");
    let user = service.client_with(Some(&service.token_of("acme", "ann", "user")));
    let body = |role: &str, account: &str| {
        let account =
            if account.is_empty() { String::new() } else { format!(r#","account":"{account}""#) };
        format!(r#"{{"subject":"x","role":{role},"ttl_s":60{account}}}"#)
    };
    let table = [
        (&owner, r#""admin""#, "", 403),
        (&owner, r#""worker""#, "", 403),
        (&owner, r#"["owner","admin"]"#, "", 403),
        (&owner, r#""owner""#, "other", 403),
        (&owner, r#""owner""#, "*", 403),
        (&owner, r#""auditor""#, "acme", 201),
        (&own_admin, r#""worker""#, "", 201),
        (&own_admin, r#""admin""#, "*", 403),
        (&own_admin, r#""user""#, "other", 403),
        (&user, r#""user""#, "", 403),
        (&admin, r#""admin""#, "*", 201),
        (&admin, r#""user""#, "*", 400),
        (&admin, r#""owner""#, "", 400),
        (&admin, r#"[]"#, "acme", 400),
        (&admin, r#""key""#, "acme", 400),
        (&admin, r#""king""#, "acme", 400),
        (&admin, "7", "acme", 400),
    ];
    for (client, role, account, status) in table {
        let answer = client.send(&format!("POST /v1/tokens {}", body(role, account)));
        assert_eq!(answer.status, status, "{role} {account}: {answer:?}");
    }
    // Each of these is another's: other accounts, higher roles, other subjects.
    let root = jti_of(admin.token().unwrap());
    let (other, _) = made(&admin, &body(r#""owner""#, "other"));
    let (worker, _) = made(&admin, &body(r#""worker""#, "acme"));
    let (mine, text) = made(&owner, r#"{"subject":"ann","role":"user","ttl_s":60}"#);
    for (client, jti) in
        [(&owner, &root), (&owner, &other), (&owner, &worker), (&user, &other), (&own_admin, &root)]
    {
        assert_eq!(listed(client, jti), None);
        let refused = client.send(&format!("DELETE /v1/tokens/{jti}"));
        assert_eq!(refused.refusal(), (404, "token_not_found".into()));
    }
    assert_eq!(user.all("/v1/tokens").len(), 2, "its own, whoever made them");
    for refused in [
        owner.send(r#"POST /v1/tokens/revoke {"subject":"x","account":"other"}"#),
        user.send(r#"POST /v1/tokens/revoke {"subject":"bob"}"#),
    ] {
        assert_eq!(refused.refusal(), (403, "forbidden".into()));
    }
    // What an owner ends by a range leaves those of an admin alone, seen or not.
    let unseen = service.token_of("acme", "x", "worker");
    assert_eq!(owner.send(r#"POST /v1/tokens/revoke {"subject":"x"}"#).status, 200);
    assert_eq!(listed(&admin, &worker).unwrap()["ended_at"], Value::Null);
    let expirations = service.client_with(Some(&unseen)).send("POST /v1/expirations");
    assert_eq!(expirations.status, 200, "{expirations:?}");
    // Log out everywhere.
    assert_eq!(user.send(r#"POST /v1/tokens/revoke {"subject":"ann"}"#).json()["ended"], 2);
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 401);
    assert_eq!(user.send("GET /v1/keys").status, 401);
    assert!(listed(&owner, &mine).unwrap()["ended_at"].is_string());
}

#[test]
fn a_token_without_what_its_end_needs_is_refused() {
    let service = Service::with(&["--max-token-ttl", "2h"]);
    let now = seconds_now();
    let table = [
        (json!({}), None),
        (json!({"jti": null}), Some("the token has no jti: make a new one")),
        (json!({"jti": ""}), Some("the token has no jti: make a new one")),
        (json!({"iat": null}), Some("the token has no iat: make a new one")),
        (json!({"iat": "now"}), Some("the token's iat must be a number of seconds")),
        (json!({"iat": now + 600}), Some("the token's iat lies in the future")),
        (json!({"iat": 1e300}), Some("the token's iat lies in the future")),
        (
            json!({"exp": now + 7210}),
            Some("the token lives longer than --max-token-ttl: make a new one"),
        ),
        (
            json!({"iat": now - 7200, "exp": now + 60}),
            Some("the token lives longer than --max-token-ttl: make a new one"),
        ),
        (json!({"exp": now + 7200, "iat": now}), None),
        (json!({"jti": "x".repeat(200), "sub": "ü".repeat(255)}), None),
        (json!({"jti": "x".repeat(201)}), Some("the token's jti is longer than 200 bytes")),
    ];
    for (change, why) in table {
        let token = mint(&service, &change);
        let answer = service.client_with(Some(&token)).send("GET /v1/keys");
        match why {
            None => assert_eq!(answer.status, 200, "{change}"),
            Some(why) => {
                assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{change}");
                assert_eq!(answer.json()["detail"], why, "{change}");
            }
        }
    }
    // The same id again, as another token.
    let first = mint(&service, &json!({"jti": "one/ü", "sub": "ann"}));
    let second = mint(&service, &json!({"jti": "one/ü", "sub": "bob"}));
    let status = |token: &str| service.client_with(Some(token)).send("GET /v1/keys").status;
    assert_eq!([status(&first), status(&second), status(&first)], [200, 401, 200]);
    let ended = service.client("owner").send("DELETE /v1/tokens/one%2F%C3%BC");
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!([status(&first), status(&second)], [401, 401]);

    let owner = service.client("owner");
    for ttl in ["0", "7201", "-1", "1.5", "null", "18446744073709551615"] {
        let line = format!(r#"POST /v1/tokens {{"subject":"x","role":"user","ttl_s":{ttl}}}"#);
        let refused = owner.send(&line);
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{ttl}");
        assert_eq!(refused.field().as_deref(), Some("ttl_s"), "{ttl}");
    }
    let long = keyledger(&["token", "--account", "acme", "--subject", "ann", "--role", "owner"]);
    let long = long.with(&["--ttl", "31d"]).data(&service.data()).run();
    long.says(2, &["--ttl is longer than --max-token-ttl"]);
}

#[test]
fn the_same_request_makes_one_token() {
    let service = Service::start();
    let owner = service.client("owner");
    let line = r#"POST /v1/tokens {"subject":"bob","role":"user","ttl_s":600}"#;
    let send = |line: &str| owner.send_with(line, &[("idempotency-key", "one")]);
    let first = send(line);
    let again = send(line);
    assert_eq!((first.status, again.status), (201, 201), "{again:?}");
    assert_eq!(first.json(), again.json());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = send(r#"POST /v1/tokens {"subject":"bob","role":"user","ttl_s":60}"#);
    assert_eq!(other.refusal(), (422, "idempotency_mismatch".into()));
    let service = service.kill().start();
    let owner = service.client("owner");
    let again = owner.send_with(line, &[("idempotency-key", "one")]);
    assert_eq!(again.json()["token"]["jti"], first.json()["token"]["jti"]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json()["secret"], Value::Null, "another process does not give it");
    assert_eq!(listed_of(&owner, "bob").len(), 1);
    let dry = owner.send(&line.replace("/v1/tokens", "/v1/tokens?dry_run=true"));
    assert_eq!((dry.status, &dry.json()["secret"]), (200, &Value::Null));
    assert_eq!(listed_of(&owner, "bob").len(), 1);
    // Ended, the same request does not give its text again.
    let send = || owner.send_with(line, &[("idempotency-key", "two")]).json();
    let second = send();
    assert!(second["secret"].is_string() && send() == second, "{second}");
    let jti = second["token"]["jti"].as_str().unwrap();
    assert_eq!(owner.send(&format!("DELETE /v1/tokens/{jti}")).status, 200);
    assert_eq!(send()["secret"], Value::Null);
}

fn listed_of(client: &Client, subject: &str) -> Vec<Value> {
    client.all(&format!("/v1/tokens?subject={subject}"))
}

#[test]
fn a_list_comes_in_pages_and_by_what_is_asked_for() {
    let service = Service::start();
    let admin = service.client("admin");
    for (number, account) in ["acme", "other", "*"].iter().cycle().take(9).enumerate() {
        made(
            &admin,
            &format!(
                r#"{{"subject":"s{number}","role":"auditor","account":"{account}","ttl_s":60}}"#
            ),
        );
    }
    let subjects = |path: &str| -> Vec<String> {
        let items = admin.all(path);
        items.iter().map(|token| token["subject"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(subjects("/v1/tokens?account=acme"), ["s0", "s3", "s6"]);
    assert_eq!(subjects("/v1/tokens?account=other&subject=s4"), ["s4"]);
    assert_eq!(subjects("/v1/tokens?ended=true"), Vec::<String>::new());
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.send(&format!("GET /v1/tokens?limit=2{cursor}")).json();
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, admin.all("/v1/tokens"));
    assert_eq!(seen.len(), 10, "and the admin's own");
    for wrong in ["cursor=AAAA", "limit=0", "ended=maybe", "account=", "subject="] {
        let refused = admin.send(&format!("GET /v1/tokens?{wrong}"));
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{wrong}");
    }
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let service = Service::on_a_weak_disk();
    let owner = service.client("owner");
    let (jti, text) = made(&owner, r#"{"subject":"bob","role":"user","ttl_s":60}"#);
    service.fail_its_disk();
    let unavailable = |answer: &Answer| {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(["log_broken", "disk_full"].contains(&&*answer.code()), "{answer:?}");
    };
    unavailable(&owner.send(r#"POST /v1/tokens {"subject":"x","role":"user","ttl_s":60}"#));
    unavailable(&owner.send(&format!("DELETE /v1/tokens/{jti}")));
    unavailable(&owner.send(r#"POST /v1/tokens/revoke {"subject":"bob"}"#));
    assert_eq!(listed_of(&owner, "x").len(), 0);
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 200);
}

#[test]
fn tokens_live_and_die_by_the_command_line() {
    let service = Service::start();
    let owner = service.token("acme", "owner");
    let run = |arguments: &[&str]| {
        keyledger(arguments)
            .env("KEYLEDGER_URL", &service.url())
            .env("KEYLEDGER_TOKEN", &owner)
            .run()
    };
    let out = run(&["tokens", "create", "--subject", "bob", "--role", "user", "--ttl", "1h"]);
    let text = out.out.lines().last().unwrap().to_owned();
    let jti = jti_of(&text);
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 200);
    assert!(run(&["tokens", "list"]).out.contains(&jti));
    let json: Value =
        serde_json::from_str(&run(&["tokens", "list", "--subject", "bob", "--json"]).out).unwrap();
    assert_eq!(json[0]["jti"], jti);
    let code = |arguments: &[&str]| run(arguments).code;
    assert_eq!(code(&["tokens", "revoke", &jti, "--dry-run"]), Some(0));
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 200);
    assert_eq!(code(&["tokens", "revoke", &jti]), Some(0));
    assert_eq!(service.client_with(Some(&text)).send("GET /v1/keys").status, 401);
    run(&["tokens", "revoke", &jti]).says(1, &["already"]);
    let eve = service.token_of("acme", "eve", "user");
    assert_eq!(code(&["tokens", "revoke", "--subject", "eve", "--reason", "lost"]), Some(0));
    assert_eq!(service.client_with(Some(&eve)).send("GET /v1/keys").status, 401);
    assert_eq!(code(&["tokens", "revoke"]), Some(2));
    assert_eq!(code(&["tokens", "revoke", &jti, "--subject", "eve"]), Some(2));
    until("it is recorded that it was seen", || {
        service.client("admin").all("/v1/access").iter().any(|it| it["type"] == "token_seen")
    });
}
