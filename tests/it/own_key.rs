//! `/v1/self`: whoever holds a key's text can look at that key and end it, and do nothing else.

use serde_json::{Value, json};

use crate::support::{Client, Service, keyledger};

fn by(service: &Service, text: &str) -> Client {
    service.client_with(Some(text))
}

#[test]
fn whoever_finds_a_key_can_end_it() {
    let service = Service::start();
    let owner = service.client("owner");
    // Bound to addresses that the finder is not at.
    let (id, secret) = owner.create(
        r#"{"name":"ci","owner":"bob","allowed_ips":["203.0.113.0/24"],"metadata":{"team":"data"}}"#,
    );
    let finder = by(&service, &secret);
    let seen = finder.send("GET /v1/self");
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.json(), owner.send(&format!("GET /v1/keys/{id}")).json());
    assert_eq!(seen.header("etag"), Some("\"1\""));
    assert_eq!(seen.header("cache-control"), Some("no-store"));

    let line = r#"POST /v1/self/revoke {"reason":"seen on a forum","reason_code":"compromised"}"#;
    let ended = finder.send(line).json();
    assert_eq!(ended["key"]["status"], "revoked");
    let event = owner.send("GET /v1/events/1").json();
    assert_eq!(event, ended["event"]);
    assert_eq!((&event["type"], &event["reason_code"]), (&json!("revoked"), &json!("compromised")));
    assert_eq!(event["actor"]["via"], format!("key:{id}"));
    assert_eq!(event["actor"]["subject"], "bob");
    assert_eq!(event["origin"]["ip"], "127.0.0.1");
    assert_eq!(event["origin"]["dialect"], "native");

    let verdict = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(verdict["code"], "REVOKED");
    assert_eq!(finder.send("GET /v1/self").json()["status"], "revoked");
    assert_eq!(finder.send(line).refusal(), (409, "already".into()));
}

/// The answer of every status, and that of a dry run, which records nothing.
#[test]
fn each_status_has_a_clear_answer() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut answers = Vec::new();
    for change in [None, Some("disable"), Some("expire"), Some("revoke")] {
        let (id, secret) = owner.create(r#"{"name":"k"}"#);
        if let Some(change) = change {
            assert_eq!(owner.send(&format!("POST /v1/keys/{id}/{change}")).status, 200);
        }
        let key = by(&service, &secret);
        for line in ["GET /v1/self", "POST /v1/self/revoke?dry_run=true", "POST /v1/self/revoke"] {
            let answer = key.send(line);
            let code = if answer.status < 400 { String::new() } else { answer.code() };
            answers.push(format!("{} {} {code}", change.unwrap_or("none"), answer.status));
        }
    }
    assert_eq!(
        answers,
        [
            "none 200 ",
            "none 200 ",
            "none 200 ",
            "disable 200 ",
            "disable 200 ",
            "disable 200 ",
            "expire 200 ",
            "expire 409 not_while_expired",
            "expire 409 not_while_expired",
            "revoke 200 ",
            "revoke 409 already",
            "revoke 409 already",
        ]
    );
    assert_eq!(owner.all("/v1/events?type=revoked").len(), 3);
}

/// As every other change: receipt, revision, idempotency key, and a restart between.
#[test]
fn ending_itself_is_a_change_like_others() {
    let service = Service::start();
    let owner = service.client("owner");
    let (_, secret) = owner.create(r#"{"name":"k"}"#);
    let (_, other) = owner.create(r#"{"name":"k"}"#);
    let key = by(&service, &secret);
    let send = |key: &Client, headers: &[(&str, &str)]| {
        key.send_with("POST /v1/self/revoke?receipt=true", headers)
    };
    assert_eq!(send(&key, &[("if-match", "\"2\"")]).refusal(), (412, "revision_mismatch".into()));
    for bad in [r#"{"resaon":"x"}"#, r#"{"reason_code":"whim"}"#, "[]"] {
        let answer = key.send(&format!("POST /v1/self/revoke {bad}"));
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{bad}");
    }
    assert_eq!(key.send("GET /v1/self?id=1").refusal(), (400, "invalid_request".into()));
    let once = [("if-match", "\"1\", \"9\""), ("idempotency-key", "a")];
    let first = send(&key, &once);
    assert_eq!(first.status, 200, "{first:?}");
    assert!(first.json()["receipt"].is_string());
    // Another key of the same owner has requests of its own.
    let second = send(&by(&service, &other), &once);
    assert_eq!(second.status, 200, "{second:?}");
    assert_ne!(second.json()["key"]["id"], first.json()["key"]["id"]);

    let service = service.restart();
    let again = send(&by(&service, &secret), &once);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    assert_eq!(again.json()["event"], first.json()["event"]);
}

/// Whatever is no secret key is answered alike, and teaches nothing.
#[test]
fn what_is_no_key_learns_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let public = owner.send(r#"POST /v1/keys {"name":"k","kind":"public"}"#).json();
    let public = public["key"]["public_value"].as_str().unwrap();
    let token = service.token("acme", "admin");
    let plain = |answer: Value| {
        let mut answer = answer;
        answer["request_id"].take();
        answer
    };
    let nothing = plain(service.client_with(None).send("GET /v1/self").json());
    for text in [public, &token, "x", "kl_live_00000000000000000000000000000000"] {
        for line in ["GET /v1/self", "POST /v1/self/revoke", "POST /v1/self/revoke {"] {
            let answer = by(&service, text).send(line);
            assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{text}");
            assert_eq!(plain(answer.json()), nothing, "{text}");
        }
    }
    assert_eq!(owner.all("/v1/events").len(), 1);
}

#[test]
fn guessing_is_bounded() {
    let service = Service::start();
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let guess = |n: usize| {
        let text = format!("kl_live_{n:032}");
        by(&service, &text).send("GET /v1/self")
    };
    let limited = (0..200).map(guess).find(|answer| answer.status != 401);
    let limited = limited.expect("it has an end");
    assert_eq!(limited.refusal(), (429, "rate_limited".into()));
    assert!(limited.header("retry-after").is_some());
    let metrics = service.client_with(None).send("GET /metrics").text;
    let wrong = metrics.lines().find_map(|line| line.strip_prefix("keyledger_wrong_guesses "));
    let wrong: u64 = wrong.unwrap().parse().unwrap();
    assert!((20..200).contains(&wrong), "{wrong}");
    // Nobody else is in the way: a token is none.
    assert_eq!(service.client("owner").send("GET /v1/keys").status, 200);
    drop(secret);
}

#[test]
fn the_command_line_does_it_without_a_token() {
    let service = Service::start();
    let (id, secret) = service.client("owner").create(r#"{"name":"ci"}"#);
    let run = |arguments: &[&str]| {
        keyledger(arguments).env("KEYLEDGER_URL", &service.url()).input(&format!("{secret}\n"))
    };
    assert!(run(&["keys", "self", "-"]).good().contains(&id));
    let rehearsed = run(&["keys", "revoke-self", "-", "--dry-run", "--json"]).good();
    let rehearsed: Value = serde_json::from_str(&rehearsed).unwrap();
    assert_eq!(rehearsed["key"]["status"], "revoked");
    let ended = run(&["keys", "revoke-self", "-", "--reason-code", "compromised"]).good();
    assert!(ended.contains("revoked"), "{ended}");
    run(&["keys", "revoke-self", "-"]).run().says(1, &["already", "409"]);
    run(&["keys", "self", "-"]).input("nonsense").run().says(1, &["401"]);
}
